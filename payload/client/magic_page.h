/* Pages of long attribute values: NAME~N and NAME@N (cvmfs-format.md 10.6). */
#ifndef CVMFSEXEC_CLIENT_MAGIC_PAGE_H
#define CVMFSEXEC_CLIENT_MAGIC_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/text.h"

enum page_form { PAGE_BARE, PAGE_WITH_HEADER };

struct page_request {
    size_t name_length; /* of the plain name in front */
    enum page_form form;
    bool count; /* "?": how many pages there are */
    unsigned long number;
};

/* Splits an attribute's name. 0, or -ENODATA when what stands behind '~' or '@' is neither a
 * number nor '?'. A plain name asks for the bare page 0. */
int page_request_parse(const char *name, struct page_request *request);

/* Appends the page asked for of `value`, whose first `repeated` bytes begin every page. Pages end
 * with a line. 0, -ENODATA for a bare page that does not exist, -ENOMEM. */
int page_append(const struct page_request *request, const char *name, const struct text *value,
                size_t repeated, struct text *page);

#endif
