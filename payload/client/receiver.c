/* Digest, decompress, write, in one pass over the bytes. */
#include "payload/client/receiver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/file.h"

/* An object whose length nobody told is a catalog or a tag database, of which a signature or
 * another catalog tells; or a certificate, which is asked for before anything is believed. */
#define UNKNOWN_SIZE_LIMIT (UINT64_C(16) << 30)
#define CERTIFICATE_LIMIT (UINT64_C(1) << 20)
/* A compressed object may be somewhat larger than its content, and go on behind it. */
#define COMPRESSION_SLACK (1024 * 1024)

#define REFUSED 1 /* what a sink says of bytes that cannot be right */

struct receiver *receiver_create(void)
{
    struct receiver *receiver = calloc(1, sizeof *receiver);
    if (!receiver)
        return NULL;
    receiver->transaction.fd = -1;
    receiver->buffer = malloc(RECEIVER_BUFFER);
    if (!receiver->buffer) {
        free(receiver);
        return NULL;
    }
    return receiver;
}

void receiver_destroy(struct receiver *receiver)
{
    for (unsigned algorithm = 0; algorithm <= HASH_SHAKE128; algorithm++)
        hash_stream_close(receiver->digests[algorithm]);
    for (unsigned kind = 0; kind < CODEC_COUNT; kind++)
        codec_close(receiver->codecs[kind]);
    free(receiver->buffer);
    free(receiver);
}

static uint64_t limit_of_decoded(const struct object *object)
{
    if (object->size != OBJECT_SIZE_UNKNOWN)
        return object->size;
    return object->suffix == 'X' ? CERTIFICATE_LIMIT : UNKNOWN_SIZE_LIMIT;
}

static uint64_t limit_of_received(const struct object *object)
{
    if (object->range_length > 0)
        return object->range_length;
    if (object->size == OBJECT_SIZE_UNKNOWN)
        return UNKNOWN_SIZE_LIMIT;
    if (object->size > UINT64_MAX / 4)
        return UINT64_MAX;
    return object->compressed ? 2 * object->size + COMPRESSION_SLACK : object->size;
}

int receiver_begin(struct receiver *receiver, struct cache *cache, const struct object *object,
                   struct error *error)
{
    enum hash_algorithm algorithm = object->hash.algorithm;
    enum codec_kind kind = object->compressed ? CODEC_ZLIB : CODEC_NONE;
    if (algorithm > HASH_SHAKE128)
        return error_set(error, -EINVAL, "an object with an unknown kind of hash");
    int result = 0;
    if (!receiver->digests[algorithm])
        result = hash_stream_open(algorithm, &receiver->digests[algorithm]);
    if (result == 0 && !receiver->codecs[kind])
        result = codec_open(kind, &receiver->codecs[kind]);
    if (result < 0)
        return error_system(error, result, "preparing to receive an object");
    receiver->cache = cache;
    receiver->object = object;
    receiver->error = error;
    receiver->digest = receiver->digests[algorithm];
    receiver->codec = receiver->codecs[kind];
    receiver->received_limit = limit_of_received(object);
    receiver->decoded_limit = limit_of_decoded(object);
    receiver->written = 0;
    receiver->transaction.fd = -1;
    return 0;
}

void receiver_end(struct receiver *receiver)
{
    cache_abort(receiver->cache, &receiver->transaction);
    receiver->object = NULL;
}

/* A transaction is begun when there is something to write, so that what no server has costs none.
 */
static int flush(struct receiver *receiver)
{
    int result = 0;
    if (receiver->transaction.fd < 0)
        result = cache_begin(receiver->cache, &receiver->transaction, receiver->error);
    if (result < 0 || receiver->buffered == 0)
        return result;
    result = file_write_full(receiver->transaction.fd, receiver->buffer, receiver->buffered);
    if (result < 0)
        return error_system(receiver->error, result, "writing to the cache");
    receiver->written += receiver->buffered;
    receiver->buffered = 0;
    return 0;
}

static int start(void *context)
{
    struct receiver *receiver = context;
    int fd = receiver->transaction.fd;
    if (receiver->written > 0 && (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0))
        return error_system(receiver->error, -errno, "writing to the cache");
    receiver->received = 0;
    receiver->behind = 0;
    receiver->decoded = 0;
    receiver->written = 0;
    receiver->buffered = 0;
    int result = hash_stream_reset(receiver->digest);
    return result < 0 ? result : codec_reset(receiver->codec);
}

/* Once there is more content than there should be, only the digest is of interest. */
static bool is_oversize(const struct receiver *receiver)
{
    return receiver->decoded > receiver->decoded_limit;
}

static int write_bytes(void *context, const void *bytes, size_t length)
{
    struct receiver *receiver = context;
    receiver->received += length;
    if (receiver->object->compressed && codec_is_complete(receiver->codec))
        receiver->behind += length;
    if (receiver->received > receiver->received_limit || receiver->behind > COMPRESSION_SLACK)
        return REFUSED;
    int result = hash_stream_update(receiver->digest, bytes, length);
    struct codec_input input = {.bytes = bytes, .length = length};
    size_t room = 0;
    size_t made = 0;
    while (result == 0 && made == room && !is_oversize(receiver)) {
        if (receiver->buffered == RECEIVER_BUFFER && (result = flush(receiver)) < 0)
            break;
        room = RECEIVER_BUFFER - receiver->buffered;
        result = codec_decode(receiver->codec, &input, receiver->buffer + receiver->buffered, room,
                              &made);
        receiver->buffered += made;
        receiver->decoded += made;
    }
    if (is_oversize(receiver) && receiver->object->size == OBJECT_SIZE_UNKNOWN)
        return REFUSED;
    return result == -EBADMSG ? REFUSED : result;
}

static int finish(void *context)
{
    struct receiver *receiver = context;
    struct hash hash;
    int result = hash_stream_finish(receiver->digest, &hash);
    if (result < 0)
        return error_system(receiver->error, result, "checking an object");
    if (!hash_equal(&hash, &receiver->object->hash))
        return REFUSED;
    if (is_oversize(receiver))
        return 0;
    return codec_is_complete(receiver->codec) ? flush(receiver) : REFUSED;
}

struct download_sink receiver_sink(struct receiver *receiver)
{
    return (struct download_sink){
        .start = start, .write = write_bytes, .finish = finish, .context = receiver};
}

bool receiver_has_right_size(const struct receiver *receiver)
{
    uint64_t size = receiver->object->size;
    return !is_oversize(receiver) && (size == OBJECT_SIZE_UNKNOWN || receiver->decoded == size);
}
