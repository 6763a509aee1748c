/* Unlike strtoull: no blanks, no signs, no locale, and no NUL needed behind the digits. */
#include "payload/client/number.h"

#include <errno.h>

size_t number_length(const char *text, size_t length)
{
    size_t count = 0;
    while (count < length && text[count] >= '0' && text[count] <= '9')
        count++;
    return count;
}

int number_parse(const char *text, size_t length, uint64_t *number)
{
    if (length == 0 || number_length(text, length) != length)
        return -EINVAL;
    uint64_t value = 0;
    for (size_t index = 0; index < length; index++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[index] - '0'), &value))
            return -EINVAL;
    *number = value;
    return 0;
}
