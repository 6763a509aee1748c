/* Any bytes as a packed list of extended attributes. */
#include <stdlib.h>

#include "payload/client/xattr_blob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xattr_iterator iterator;
    struct xattr_record record;
    struct xattr_record found;
    if (xattr_iterator_begin(&iterator, data, size) < 0)
        return 0;
    while (xattr_iterator_next(&iterator, &record)) {
        /* Every listed key is found, and everything of it lies within the blob. */
        if (xattr_blob_find(data, size, record.key, record.key_length, &found) != 0 ||
            (const uint8_t *)found.value + found.value_length > data + size)
            abort();
    }
    return 0;
}
