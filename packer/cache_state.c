/* Knows names only. They are those of the official client, which ours has too. */
#include "packer/cache_state.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

static bool is_lower_hex(char character)
{
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f');
}

/* "38 hexadecimal digits[-algorithm]", in a directory of two more of them. */
static bool is_object(const char *directory, size_t directory_length, const char *base)
{
    if (directory_length < 2 || (directory_length > 2 && directory[directory_length - 3] != '/'))
        return false;
    const char *digits = directory + directory_length - 2;
    if (!is_lower_hex(digits[0]) || !is_lower_hex(digits[1]))
        return false;
    size_t length = 0;
    while (is_lower_hex(base[length]))
        length++;
    if (length == 0 || (base[length] != '\0' && base[length] != '-'))
        return false;
    for (const char *suffix = base + length; *suffix; suffix++)
        if (!isalnum((unsigned char)*suffix) && *suffix != '-')
            return false;
    return true;
}

bool cache_is_content(const char *name, mode_t mode)
{
    if (S_ISDIR(mode))
        return true;
    if (!S_ISREG(mode))
        return false;
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    return strncmp(base, "cvmfschecksum.", 14) == 0 || strcmp(base, ".cvmfscache") == 0 ||
           (slash && is_object(name, (size_t)(slash - name), base));
}
