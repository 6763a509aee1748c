/* Which root catalog is the repository now: the mount sequence of cvmfs-format.md 2.4, 7 and 10.1.
 *
 * Manifest, whitelist, certificate, breadcrumb, blacklist, tags; the result is the hash of one
 * root catalog that is in the cache and verified. */
#ifndef CVMFSEXEC_CLIENT_REPOSITORY_H
#define CVMFSEXEC_CLIENT_REPOSITORY_H

#include <stdbool.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/client/fetch.h"
#include "payload/client/hash.h"
#include "payload/config/parameters.h"

struct repository; /* to be used by one thread at a time */

/* A selected root catalog. */
struct repository_root {
    struct hash catalog;
    struct hash history;  /* null when there is none, or no manifest was read in full */
    struct hash metainfo; /* likewise */
    int fd;               /* of the catalog file, owned by the caller */
    bool fixed;           /* by hash, tag or date: never updated */
    bool offline;         /* from the cache because no valid manifest could be had */
    bool fresh;           /* confirmed less than its TTL ago, nothing was asked */
    int64_t checked; /* Unix time at which a manifest said that this is the newest; 0 when fixed
                        by hash, tag or date */
};

/* Reads keys and blacklist. `parameters` (CVMFS_PUBLIC_KEY, _KEYS_DIR, _BLACKLIST, _ROOT_HASH,
 * _REPOSITORY_TAG, ...) must outlive it; so must cache, fetcher and downloader.
 * On failure `*exit_code` is the client's exit status of cvmfs-format.md 10.8 (15, 16, 22, 25). */
int repository_open(const char *fqrn, const struct parameters *parameters, struct cache *cache,
                    struct downloader *downloader, struct fetcher *fetcher,
                    struct repository **repository, int *exit_code, struct error *error);
void repository_close(struct repository *repository);

/* At mount. Where the last check of this cache is younger than the catalog's TTL, the catalog that
 * it named is taken without asking a server (root->fresh). Where the servers have nothing that can
 * be believed and newer, it is the one that this cache knows (root->offline). The message on
 * failure begins with the official words and goes on with the cause. 0, or a negative errno and
 * `*exit_code`. */
int repository_select(struct repository *repository, struct repository_root *root, int *exit_code,
                      struct error *error);

/* While mounted, when the TTL has passed: the newest root, which may be the same one (then root->fd
 * is -1 and history and metainfo are those of `current`). `current` is what is mounted; what
 * changes between online and offline is in the log. -EKEYREVOKED: the mounted revision has been
 * blacklisted; any other failure means to stay with `current` (offline mode). */
int repository_check(struct repository *repository, const struct repository_root *current,
                     uint64_t current_revision, struct repository_root *root, struct error *error);

/* The PEM text of all master keys, one after the other (user.pubkeys). Owned by the repository. */
const char *repository_public_keys(const struct repository *repository);

#endif
