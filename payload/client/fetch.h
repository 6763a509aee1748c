/* Objects by hash: out of the cache, or downloaded, checked and committed to it first.
 *
 * Several threads that want one object share one download. Nothing is handed out before its digest
 * (over the bytes as transferred) and its length have been checked. */
#ifndef CVMFSEXEC_CLIENT_FETCH_H
#define CVMFSEXEC_CLIENT_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/client/cache.h"
#include "payload/client/download.h"
#include "payload/client/hash.h"

#define OBJECT_SIZE_UNKNOWN UINT64_MAX

struct object {
    struct hash hash;
    char suffix;          /* 'C', 'X', 'H', 'M', 'P', or 0 for a whole file */
    bool compressed;      /* the stored form is a zlib stream */
    bool alternative;     /* under .cvmfsalt-<hash><suffix> (cvmfs-format.md 1.5) */
    uint64_t size;        /* length after decompression, or OBJECT_SIZE_UNKNOWN */
    const char *external; /* path below the external servers, or NULL */
    uint64_t offset;      /* with external: the range; a whole file has range_length 0 */
    uint64_t range_length;
    const char *label; /* what to call it in messages: "/bin/ls", "file catalog at /nested" */
};

struct fetcher;

/* Neither cache nor downloaders are owned; `external` may be NULL (every external object is then
 * -EIO). */
int fetcher_create(struct cache *cache, struct downloader *regular, struct downloader *external,
                   struct fetcher **fetcher);
void fetcher_destroy(struct fetcher *fetcher);

/* A descriptor of the object's decompressed content, open for reading, which the caller closes; or
 * a negative errno: -EIO for what cannot be had or is not what its hash says, -ENOSPC where it
 * cannot fit the cache. Waits for a download of it that is under way in another thread. */
int fetch_object(struct fetcher *fetcher, const struct object *object, struct error *error);

/* The same from the cache alone: -ENOENT when it is not there with that size (or any, for
 * OBJECT_SIZE_UNKNOWN). Never waits. */
int fetch_cached(struct fetcher *fetcher, const struct hash *hash, uint64_t size);

/* Whether the object is in the cache, of whatever size; this is no use of it. */
bool fetch_is_cached(struct fetcher *fetcher, const struct hash *hash);

/* `callback` is called in a thread that is about to wait for a server, or for another thread that
 * does. Set it before there are several threads. */
void fetch_on_wait(struct fetcher *fetcher, void (*callback)(void));

/* `callback` is called, by one thread at a time, when the disk of the cache is full: it is to close
 * what objects are open without need. Set it, and set it to NULL, while no object is fetched. */
void fetch_on_full_disk(struct fetcher *fetcher, void (*callback)(void *context), void *context);

/* Throws away what the cache holds under a hash, because it turned out to be damaged there. */
void fetch_discard(struct fetcher *fetcher, const struct hash *hash);

#endif
