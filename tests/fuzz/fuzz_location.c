/* Paths that metadata of package repositories names: what is let through stays below its base. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "packer/repomd.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *location = strndup((const char *)bytes, length);
    auto_text struct text escaped = TEXT_INIT;
    if (location && repomd_escape_location(location, &escaped) == 0 &&
        (escaped.bytes[0] == '/' || strstr(escaped.bytes, "/../") ||
         strpbrk(escaped.bytes, "?# \\") || strncmp(escaped.bytes, "../", 3) == 0 ||
         strcmp(escaped.bytes, "..") == 0))
        abort();
    free(location);
    return 0;
}
