/* What a request does after a failed attempt: the decisions of cvmfs-format.md 9.4, and nothing
 * else. No network, no clock, no locks. */
#ifndef CVMFSEXEC_CLIENT_FAILOVER_H
#define CVMFSEXEC_CLIENT_FAILOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/client/download.h"
#include "payload/client/transfer.h"

struct failover_limits {
    size_t servers;
    size_t proxies;
    unsigned retries;         /* of the same URL, in total */
    unsigned backoff_initial; /* milliseconds */
    unsigned backoff_longest;
    bool proxies_forever; /* CVMFS_FAILOVER_INDEFINITELY */
};

/* One request so far. Begin with FAILOVER_INIT. */
struct failover {
    size_t servers; /* used, the present one included */
    size_t proxies;
    unsigned retries;
    unsigned backoff; /* milliseconds, of the last pause */
    bool has_paused;
    bool no_cache; /* ask caches on the way for a fresh copy */
    bool proxied;  /* the attempt that failed went through a proxy; the caller's to set */
};

#define FAILOVER_INIT              \
    {                              \
        .servers = 1, .proxies = 1 \
    }

enum failover_step {
    FAILOVER_STOP,
    FAILOVER_RETRY,
    FAILOVER_NEXT_PROXY,
    FAILOVER_NEXT_SERVER,
    FAILOVER_PROXIES_EXHAUSTED, /* the next server, with the first proxy group again */
    FAILOVER_PROXIES_AGAIN,     /* the same server, with the first proxy group again */
};

/* The class of an attempt that failed. `proxied`: it went through a proxy. Never DOWNLOAD_OK: a 2xx
 * answer is no failure, and must not be given here. */
enum download_failure failover_classify(const struct transfer_result *result, bool proxied);

/* Whether such a failure is one of the proxy. */
bool failover_blames_proxy(enum download_failure failure);

/* The next step after a failure. `status` is that of HTTP, or 0; `random` any number. `*pause` is
 * for how many milliseconds to wait before the step. */
enum failover_step failover_next(struct failover *failover, const struct failover_limits *limits,
                                 enum download_failure failure, int status, unsigned random,
                                 unsigned *pause);

#endif
