/* Pages of servers that list directories. The first line of the input is the URL of the page. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "packer/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const uint8_t *end = memchr(bytes, '\n', length);
    if (!end)
        return 0;
    char *url = strndup((const char *)bytes, (size_t)(end - bytes));
    if (!url)
        return 0;
    struct error error = ERROR_INIT;
    auto_listing struct listing listing = LISTING_INIT;
    const struct listing_package *package = NULL;
    const size_t page = length - (size_t)(end + 1 - bytes);
    if (listing_parse(end + 1, page, url, &listing, &error) == 0 && listing.count > 0)
        (void)listing_find(&listing, listing.items[0].name, listing.items[0].architecture, NULL,
                           &package, &error);
    for (size_t index = 0; index < listing.count; index++)
        if (strchr(listing.items[index].file, '/'))
            abort(); /* a file name that is a path */
    free(url);
    return 0;
}
