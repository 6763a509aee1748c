/* Any bytes as a mount table: what comes out are paths below the directory, whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "payload/launch/mount_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_strings struct strings found = STRINGS_INIT;
    if (mount_table_parse((const char *)data, size, "/m", &found) < 0)
        return 0;
    for (size_t index = 0; index < found.count; index++) {
        if (strncmp(found.items[index], "/m/", 3) != 0 || strlen(found.items[index]) > size)
            abort();
    }
    return 0;
}
