/* The breadcrumb, which anybody may have left in a cache directory. */
#include <stdint.h>
#include <stdlib.h>

#include "payload/client/breadcrumb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct breadcrumb breadcrumb;
    if (breadcrumb_parse((const char *)data, size, &breadcrumb) == 0 &&
        hash_is_null(&breadcrumb.catalog))
        abort();
    return 0;
}
