#include "payload/client/magic_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE_LIMIT 40000 /* bytes, from which on a new page begins */

int page_request_parse(const char *name, struct page_request *request)
{
    const char *mark = strpbrk(name, "~@");
    *request = (struct page_request){.name_length = strlen(name)};
    if (!mark)
        return 0;
    request->name_length = (size_t)(mark - name);
    request->form = *mark == '@' ? PAGE_WITH_HEADER : PAGE_BARE;
    const char *which = mark + 1;
    if (strcmp(which, "?") == 0) {
        request->count = true;
        return 0;
    }
    if (*which == '\0' || strlen(which) > 9 || which[strspn(which, "0123456789")] != '\0')
        return -ENODATA;
    request->number = strtoul(which, NULL, 10);
    return 0;
}

/* The end of the page that begins at `start`: behind the line with which it reaches its limit. */
static size_t page_end(const struct text *value, size_t start)
{
    if (value->length - start <= PAGE_SIZE_LIMIT)
        return value->length;
    const char *newline = memchr(value->bytes + start + PAGE_SIZE_LIMIT, '\n',
                                 value->length - start - PAGE_SIZE_LIMIT);
    return newline ? (size_t)(newline - value->bytes) + 1 : value->length;
}

int page_append(const struct page_request *request, const char *name, const struct text *value,
                size_t repeated, struct text *page)
{
    size_t wanted_start = 0;
    size_t wanted_end = 0;
    unsigned long total = 0;
    for (size_t start = repeated; total == 0 || start < value->length; total++) {
        size_t end = page_end(value, start);
        if (total == request->number) {
            wanted_start = start;
            wanted_end = end;
        }
        start = end;
    }
    bool exists = request->number < total;
    if (request->count && request->form == PAGE_BARE)
        return text_printf(page, "num_pages, %lu", total);
    if (request->form == PAGE_WITH_HEADER && (request->count || !exists))
        return text_printf(page,
                           "# Num total pages: %lu. Pages are numbered from 0: use %.*s~<page> for "
                           "the bare page, %.*s@<page> for one with a header.\n",
                           total, (int)request->name_length, name, (int)request->name_length, name);
    if (!exists)
        return -ENODATA;
    int result = 0;
    if (request->form == PAGE_WITH_HEADER)
        result = text_printf(page,
                             "# Access page at idx: %lu. Total num pages: %lu (access other pages: "
                             "xattr~<page_num>, starting  with 0; number of pages available: "
                             "xattr~?)\n",
                             request->number, total);
    if (result == 0 && repeated)
        result = text_append(page, value->bytes, repeated);
    if (result == 0 && wanted_end > wanted_start)
        result = text_append(page, value->bytes + wanted_start, wanted_end - wanted_start);
    return result;
}
