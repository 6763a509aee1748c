/* Any bytes as a superblock: nothing behind them is read, and only what has the magic number is
 * one. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "payload/launch/image_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int result = image_superblock_check(data, size);
    const int has_magic = size >= IMAGE_SUPERBLOCK_SIZE && data[0x38] == 0x53 && data[0x39] == 0xef;
    if (has_magic != (result == 0 || result == -EUCLEAN))
        abort();
    return 0;
}
