/* A mounted client: its layers put together, from cache to contents. */
#ifndef CVMFSEXEC_CLIENT_CLIENT_H
#define CVMFSEXEC_CLIENT_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/client/cache.h"
#include "payload/client/content.h"
#include "payload/client/download.h"
#include "payload/client/fetch.h"
#include "payload/client/ownership.h"
#include "payload/client/repository.h"
#include "payload/client/tree.h"
#include "payload/config/parameters.h"

/* Exit statuses of cvmfs-format.md 10.8 that this client has. */
enum client_exit {
    EXIT_MOUNTED = 0,
    EXIT_UNKNOWN = 1,
    EXIT_OPTIONS = 2,
    EXIT_PERMISSION = 3,
    EXIT_MOUNT = 4,
    EXIT_LOOP = 6,
    EXIT_CACHE = 9,
    EXIT_SIGNATURE = 15,
    EXIT_CATALOG = 16,
    EXIT_HISTORY = 22,
    EXIT_PROXY = 23,
    EXIT_BLACKLISTED = 25,
};

/* "illegal options", "file catalog failure", ...: what stands behind the number in the message. */
const char *client_exit_text(int status);

struct neighbours;

enum xattr_visibility { XATTRS_ALWAYS, XATTRS_ROOT_ONLY, XATTRS_NEVER };

struct client_counters {
    _Atomic uint64_t reads, directory_lists, io_errors;
    _Atomic int64_t last_io_error; /* Unix time */
};

struct client {
    const char *fqrn;
    const struct parameters *parameters;
    struct cache *cache;
    struct downloader *downloader;
    struct downloader *external; /* NULL when no external servers are configured */
    struct fetcher *fetcher;
    struct repository *repository;
    struct tree *tree;
    struct content_store *content;
    struct ownership ownership;
    enum xattr_visibility visibility;
    char **protected_xattrs; /* names, ending on NULL */
    char **privileged_gids;
    long long kernel_timeout; /* seconds, the cap of CVMFS_KCACHE_TIMEOUT; -1: none is set */
    long long most_ttl;       /* seconds, 0: no cap */
    int64_t started;          /* CLOCK_MONOTONIC seconds */
    struct client_counters counters;
    struct neighbours *neighbours; /* the session's; NULL where it does without */

    /* Moves with the revision; `root` is the reload thread's, others read it under the lock. */
    pthread_mutex_t root_lock;
    struct repository_root root;
    _Atomic int64_t expires; /* CLOCK_MONOTONIC seconds; INT64_MAX for a fixed root */
};

/* Opens cache, downloaders, repository and tree by the parameters (which must outlive it, as must
 * `fqrn`). On failure `*exit_status` is the process's status, and nothing is left open. */
int client_open(const char *fqrn, const struct parameters *parameters, struct client *client,
                int *exit_status, struct error *error);
void client_close(struct client *client);

/* The session ends: whoever waits for a server, now or later, gives up within about a second. */
void client_stop_waiting(struct client *client);

/* Seconds on the monotonic clock. */
int64_t client_now(void);

/* How long a name or an attribute that belongs to the present revision may be kept, in seconds. */
double client_validity(const struct client *client);

/* Looks for a newer revision when the present one has expired, switches to it, and sets the next
 * time to look. Returns the seconds until then, or -EKEYREVOKED when the mounted revision has been
 * blacklisted. */
int64_t client_refresh(struct client *client);

#endif
