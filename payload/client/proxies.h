/* Proxy groups: how the string is read, and which proxy is current (cvmfs-format.md 9.3, 9.5).
 * No locks and no clock of its own; names are resolved only by proxies_resolve. */
#ifndef CVMFSEXEC_CLIENT_PROXIES_H
#define CVMFSEXEC_CLIENT_PROXIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/base/text.h"

/* One way out: a URL with scheme, or "DIRECT". */
struct proxy {
    char *url;
    size_t group;
    bool burned; /* has failed since its group became current */
};

struct proxies {
    struct proxy *items; /* by group, groups in order */
    size_t count;
    size_t groups;
    size_t fallback;     /* the first group that is a fallback; `groups` when there is none */
    size_t current;      /* of items */
    int64_t reset_after; /* seconds; 0: never */
    int64_t left;        /* when the first group was left, or one of its members burned */
    bool is_reset;       /* the first group is current and none of it is burned */
};

#define PROXY_DIRECT "DIRECT"

struct proxy_configuration {
    const char *proxies;   /* CVMFS_HTTP_PROXY; NULL or "" is an error */
    const char *fallback;  /* CVMFS_FALLBACK_PROXY, or NULL */
    const char *automatic; /* what a group `auto` stands for, or NULL: such a group is dropped */
    int64_t reset_after;
};

/* The groups of a configuration. A member that is none (a blank or control character in it, no
 * host, a port that is not from 1 to 65535) is logged and left out. 0, -ENOENT when nothing usable
 * is left, -ENOMEM. */
int proxies_parse(const struct proxy_configuration *configuration, struct proxies *proxies,
                  struct error *error);
void proxies_free(struct proxies *proxies);

/* Asks the system's resolver: instead of each name one entry per address, at most
 * `addresses_per_proxy` (0: all) of family `family` (4 or 6; the other where a name has none of
 * it). What cannot be resolved stays as it is, to fail when it is used. 0 or -ENOMEM. */
int proxies_resolve(const struct proxies *proxies, int family, size_t addresses_per_proxy,
                    struct proxies *resolved);

/* Whether going direct is the current way. */
bool proxy_is_direct(const struct proxy *proxy);

/* Makes a random member of the first group current; `random` is any number. */
void proxies_reset(struct proxies *proxies, unsigned random);

/* Whether it is time for that. `now` in seconds of a steady clock. */
bool proxies_is_reset_due(const struct proxies *proxies, int64_t now);

/* Burns a proxy that failed. If it was the current one another one of its group is current then, or
 * one of the next group. True when the current one changed. */
bool proxies_leave(struct proxies *proxies, size_t failed, int64_t now, unsigned random);

/* Puts the fallback groups into this order, a permutation of 0...(groups - fallback - 1), before
 * any use. 0 or -ENOMEM. */
int proxies_order_fallback(struct proxies *proxies, const size_t *order);

/* Appends all of them, a line each. 0 or -ENOMEM. */
int proxies_list(const struct proxies *proxies, struct text *text);

#endif
