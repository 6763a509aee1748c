/* What stands beside a file in the download cache: what comes out must fit into a header. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "packer/download_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    auto_download_origin struct download_origin origin = DOWNLOAD_ORIGIN_INIT;
    if (length == 0)
        return 0;
    (void)download_origin_parse((const char *)bytes, length, &origin);
    if (strpbrk(origin.etag, "\r\n") || strpbrk(origin.modified, "\r\n"))
        abort();
    return 0;
}
