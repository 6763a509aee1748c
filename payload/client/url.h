/* What the client has to know of URLs: how their bytes are escaped and where the host stands. */
#ifndef CVMFSEXEC_CLIENT_URL_H
#define CVMFSEXEC_CLIENT_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/text.h"

/* Appends `string`, every byte but 0-9 A-Z a-z / : . @ + - _ ~ [ ] , as %XX (cvmfs-format.md 1.6).
 * 0 or -ENOMEM. */
int url_escape(struct text *text, const char *string);

/* A piece of a URL; points into it. */
struct url_part {
    const char *start;
    size_t length;
};

/* [scheme://][user@]host[:port][/...]; an IPv6 address stands in brackets, which are part of
 * `host`. `port` is empty where none is given. False when there is no host, or the scheme or the
 * port is none. */
struct url {
    struct url_part scheme;
    struct url_part host;
    struct url_part port;
};
bool url_parse(const char *string, struct url *url);

/* Whether the scheme is this one, in any case of letters. */
bool url_has_scheme(const char *string, const char *scheme);

#endif
