/* The expansion of tokens; whether the directory is there is not asked. */
#include "packer/run_path.h"

#include <string.h>

int run_path_expand(const char *entry, size_t length, const char *origin, struct text *directory)
{
    const char *end = entry + length;
    int result = 0;
    if (length == 0 || (*entry != '/' && *entry != '$'))
        return 0;
    while (entry < end && result == 0) {
        const char *token = memchr(entry, '$', (size_t)(end - entry));
        result = text_append(directory, entry, (size_t)((token ? token : end) - entry));
        if (!token || result < 0)
            break;
        const size_t left = (size_t)(end - token);
        size_t taken = 0;
        if (left >= 7 && memcmp(token, "$ORIGIN", 7) == 0)
            taken = 7;
        else if (left >= 9 && memcmp(token, "${ORIGIN}", 9) == 0)
            taken = 9;
        if (taken == 0) {
            text_free(directory);
            return 0;
        }
        const char *slash = strrchr(origin, '/');
        result = slash ? text_append(directory, origin, (size_t)(slash - origin))
                       : text_append_string(directory, ".");
        entry = token + taken;
    }
    return result;
}
