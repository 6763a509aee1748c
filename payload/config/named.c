#include "payload/config/named.h"

#include <string.h>

size_t named_place(const void *items, size_t count, size_t size, const char *name, bool *found)
{
    size_t low = 0;
    size_t high = count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *there;
        memcpy(&there, (const char *)items + middle * size, sizeof there);
        int order = strcmp(there, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
