/* The Geo-API: a server says in which order servers and fallback proxies are near to us
 * (cvmfs-format.md 9.7). What is asked and what the answer means; nothing is sent here. */
#ifndef CVMFSEXEC_CLIENT_GEO_H
#define CVMFSEXEC_CLIENT_GEO_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/text.h"
#include "payload/client/proxies.h"
#include "payload/client/servers.h"

/* What the list of names stands for, in its order: the servers by name, then the fallback groups.
 */
struct geo_list {
    struct text names; /* "a,b,+PXYSEP+,p" */
    size_t *servers;   /* the index of each server in the order of the names */
    size_t server_count;
    size_t fallback_count; /* groups */
    bool has_separator;    /* an element that stands for nothing, between the two */
};

/* Whether there is anything to put in order. */
bool geo_is_useful(const struct servers *servers, const struct proxies *proxies);

/* The list of these. 0; -EINVAL for a server without a host name; -ENOMEM. */
int geo_list_build(const struct servers *servers, const struct proxies *proxies,
                   struct geo_list *list);
void geo_list_free(struct geo_list *list);

/* Appends the path below a server's URL; `key` is what the server may look us up by. 0 or -ENOMEM.
 */
int geo_path(const struct geo_list *list, const char *key, struct text *path);

/* Reads an answer: a permutation of 1...n, separated by commas, for the n elements of the list.
 * `servers` has room for server_count indexes and `fallback` for fallback_count; they are then the
 * orders that servers_order and proxies_order_fallback take. 0; -EINVAL for any other answer;
 * -ENOMEM. */
int geo_read(const struct geo_list *list, const char *answer, size_t length, size_t *servers,
             size_t *fallback);

#endif
