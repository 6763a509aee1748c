/* The receiving end of one object: bytes as they come are digested, decompressed and written to a
 * transaction of the cache. It says whether they are the object; committing is the fetcher's. */
#ifndef CVMFSEXEC_CLIENT_RECEIVER_H
#define CVMFSEXEC_CLIENT_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "payload/client/cache.h"
#include "payload/client/codec.h"
#include "payload/client/download.h"
#include "payload/client/fetch.h"
#include "payload/client/hash.h"

#define RECEIVER_BUFFER (64 * 1024) /* what is smaller is written at once */

/* Meant to be used for many objects, one after the other: a zlib stream is expensive to make. */
struct receiver {
    struct hash_stream *digests[HASH_SHAKE128 + 1]; /* by algorithm, made when needed */
    struct codec_stream *codecs[CODEC_COUNT];
    unsigned char *buffer;
    struct receiver *next; /* for whoever keeps them in a list */

    /* The present object. */
    struct cache *cache;
    const struct object *object;
    struct error *error;
    struct cache_transaction transaction; /* fd < 0 until something is written */
    struct hash_stream *digest;
    struct codec_stream *codec;
    uint64_t received;       /* bytes as transferred */
    uint64_t received_limit; /* more cannot be right */
    uint64_t behind;         /* of them, those behind the end of the compressed content */
    uint64_t decoded;        /* bytes of content, those in the buffer included */
    uint64_t decoded_limit;
    uint64_t written; /* to the transaction */
    size_t buffered;
};

/* NULL when there is no memory. */
struct receiver *receiver_create(void);
void receiver_destroy(struct receiver *receiver);

/* Prepares for an object; `error` will have the words of local trouble. All must last until
 * receiver_end. 0 or a negative errno. */
int receiver_begin(struct receiver *receiver, struct cache *cache, const struct object *object,
                   struct error *error);

/* The functions that a download wants. Bytes that are no such object are refused; content that has
 * the right digest and is of the wrong length is not: nobody would send a better one. */
struct download_sink receiver_sink(struct receiver *receiver);

/* Whether the object, now received, has the length that it should have. */
bool receiver_has_right_size(const struct receiver *receiver);

/* Throws away what has not been taken out of `transaction`. */
void receiver_end(struct receiver *receiver);

#endif
