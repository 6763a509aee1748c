/* The cache directory: decompressed objects under their hash, in the official layout
 * (cvmfs-format.md 10.9, 10.10), used by any number of processes at once.
 *
 * Objects appear by rename and never change. Whoever finds the quota exceeded cleans up under a
 * lock. There is no index to rebuild after a crash.
 *
 * Nothing is ever synced to the disk: after a crash of the machine an object may be shorter than it
 * was, or empty. The cache does not know how long it should be; whoever opens one compares, and
 * removes what is damaged. All functions may be called by any thread. */
#ifndef CVMFSEXEC_CLIENT_CACHE_H
#define CVMFSEXEC_CLIENT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "payload/base/error.h"
#include "payload/client/hash.h"

struct cache;

struct cache_options {
    const char *directory; /* made when missing */
    int64_t limit;         /* bytes; 0 or less: unmanaged, nothing is ever removed */
    bool alien;            /* shared by several users: directories 0770, objects 0660 */
};

/* Makes the directory where it is missing; the directories in it are made when they are needed.
 * Two system calls for a cache that is there. 0 or a negative errno. */
int cache_create(const struct cache_options *options, struct cache **cache, struct error *error);
/* Makes the directories that are still missing, all 258 of them, and then the official marker that
 * says so. Nothing here depends on it: it is for a moment when nobody waits, because on a busy disk
 * it takes a quarter of a second. 0 or a negative errno. */
int cache_complete(struct cache *cache);
void cache_destroy(struct cache *cache); /* NULL is allowed */

/* The directory's descriptor, for the files of others in it; owned by the cache. */
int cache_directory(const struct cache *cache);

/* A descriptor of the object, open for reading, which the caller closes; -ENOENT when absent, or
 * another negative errno. In a managed cache this counts as a use of the object. `status` is told
 * about the file unless it is NULL. */
int cache_find(struct cache *cache, const struct hash *hash, struct stat *status);

/* True when the object is there, which does not count as a use of it. */
bool cache_has(struct cache *cache, const struct hash *hash);

/* An object under construction: an unnamed or temporary file that only a commit makes visible. */
struct cache_transaction {
    int fd; /* write to it, from offset 0 */
    char name[64];
};
int cache_begin(struct cache *cache, struct cache_transaction *transaction, struct error *error);
/* Makes `size` written bytes the object `hash`; where that object is there already, it stays and
 * these bytes go. Leaves `fd` open for reading from offset 0, now the
 * caller's. May clean up the cache.
 * 0, or -ENOSPC for an object over half of the limit, -EIO when the file does not have `size`
 * bytes, or -errno; then it is aborted already. */
int cache_commit(struct cache *cache, struct cache_transaction *transaction,
                 const struct hash *hash, uint64_t size, struct error *error);
/* The file system of the cache is full, though the limit may not be reached: removes the least
 * recently used half of the objects, unless there is room by now. To be called by one thread at a
 * time. 0, -ENOSPC for an unmanaged cache, or another negative errno. */
int cache_make_room(struct cache *cache);
/* Throws it away; closes `fd`. Nothing happens to one that was aborted already. */
void cache_abort(struct cache *cache, struct cache_transaction *transaction);
/* Moves it to quarantaine/<hash> for analysis (sic, the official name); closes `fd`. */
void cache_quarantine(struct cache *cache, struct cache_transaction *transaction,
                      const struct hash *hash);

/* Removes an object that turned out to be damaged. 0, also when it was not there, or -errno. */
int cache_remove(struct cache *cache, const struct hash *hash);

/* Bytes in use (approximate between clean-ups) and the limit; both 0 when unmanaged. */
void cache_usage(struct cache *cache, uint64_t *used, uint64_t *limit);

#endif
