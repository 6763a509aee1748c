/* The one check that every name from a command line or a request passes before it is used. */
#include "payload/launch/fqrn.h"

#include <stddef.h>

static bool is_letter_or_digit(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9');
}

bool fqrn_is_valid(const char *fqrn)
{
    if (!is_letter_or_digit(fqrn[0]))
        return false;
    size_t length = 0;
    for (; fqrn[length]; length++) {
        char character = fqrn[length];
        if (!is_letter_or_digit(character) && character != '.' && character != '-' &&
            character != '_')
            return false;
    }
    return length <= 200;
}
