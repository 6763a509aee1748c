/* Digests by the crypto library; what is ours is their text form and their order of numbers. */
#include "payload/client/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define HEX_LENGTH (2 * HASH_SIZE)

/* One row per algorithm, found by its number. */
static const struct algorithm {
    const char *library_name;
    const char *identifier; /* behind the hex digits */
    bool extendable;        /* an XOF, of which HASH_SIZE bytes are taken */
} algorithms[] = {
    [HASH_SHA1] = {"SHA1", "", false},
    [HASH_RIPEMD160] = {"RIPEMD160", "-rmd160", false},
    [HASH_SHAKE128] = {"SHAKE128", "-shake128", true},
};

#define ALGORITHM_COUNT (sizeof algorithms / sizeof algorithms[0])

/* Fetching a digest from the library's providers is slow; each is fetched once per process. */
static const EVP_MD *_Atomic digests[ALGORITHM_COUNT];
static const EVP_MD *_Atomic path_digest;

static const EVP_MD *fetch_digest(const EVP_MD *_Atomic *slot, const char *library_name)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    const EVP_MD *digest = atomic_load(slot);
    if (digest)
        return digest;
    (void)pthread_mutex_lock(&lock);
    if (!atomic_load(slot))
        atomic_store(slot, EVP_MD_fetch(NULL, library_name, NULL));
    digest = atomic_load(slot);
    (void)pthread_mutex_unlock(&lock);
    return digest;
}

static const EVP_MD *digest_of(enum hash_algorithm algorithm)
{
    return fetch_digest(&digests[algorithm], algorithms[algorithm].library_name);
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

int hash_parse(const char *text, size_t length, struct hash *hash)
{
    for (size_t number = HASH_SHA1; number < ALGORITHM_COUNT; number++) {
        const char *identifier = algorithms[number].identifier;
        if (length != HEX_LENGTH + strlen(identifier))
            continue;
        if (memcmp(text + HEX_LENGTH, identifier, length - HEX_LENGTH) != 0)
            return -EINVAL;
        struct hash parsed = {.algorithm = (uint8_t)number};
        for (size_t index = 0; index < HASH_SIZE; index++) {
            int high = hex_value(text[2 * index]);
            int low = hex_value(text[2 * index + 1]);
            if (high < 0 || low < 0)
                return -EINVAL;
            parsed.digest[index] = (uint8_t)(high << 4 | low);
        }
        *hash = parsed;
        return 0;
    }
    return -EINVAL;
}

char *hash_format(const struct hash *hash, char text[HASH_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    text[0] = '\0';
    if (hash_is_null(hash))
        return text;
    for (size_t index = 0; index < HASH_SIZE; index++) {
        text[2 * index] = digits[hash->digest[index] >> 4];
        text[2 * index + 1] = digits[hash->digest[index] & 15];
    }
    (void)strcpy(text + HEX_LENGTH, algorithms[hash->algorithm].identifier); /* fits by its size */
    return text;
}

bool hash_equal(const struct hash *one, const struct hash *other)
{
    return one->algorithm == other->algorithm && memcmp(one->digest, other->digest, HASH_SIZE) == 0;
}

bool hash_is_null(const struct hash *hash)
{
    return hash->algorithm == HASH_NONE || hash->algorithm >= ALGORITHM_COUNT;
}

struct hash_stream {
    EVP_MD_CTX *context;
    enum hash_algorithm algorithm;
};

int hash_stream_open(enum hash_algorithm algorithm, struct hash_stream **stream)
{
    *stream = NULL;
    if (algorithm == HASH_NONE || algorithm >= ALGORITHM_COUNT)
        return -EINVAL;
    struct hash_stream *opened = calloc(1, sizeof *opened);
    if (!opened)
        return -ENOMEM;
    opened->algorithm = algorithm;
    opened->context = EVP_MD_CTX_new();
    int result = opened->context ? hash_stream_reset(opened) : -ENOMEM;
    if (result < 0) {
        hash_stream_close(opened);
        return result;
    }
    *stream = opened;
    return 0;
}

int hash_stream_reset(struct hash_stream *stream)
{
    const EVP_MD *digest = digest_of(stream->algorithm);
    return digest && EVP_DigestInit_ex2(stream->context, digest, NULL) == 1 ? 0 : -ENOTSUP;
}

int hash_stream_update(struct hash_stream *stream, const void *bytes, size_t length)
{
    return EVP_DigestUpdate(stream->context, bytes, length) == 1 ? 0 : -ENOMEM;
}

int hash_stream_finish(struct hash_stream *stream, struct hash *hash)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    int done = algorithms[stream->algorithm].extendable
                   ? EVP_DigestFinalXOF(stream->context, digest, HASH_SIZE)
                   : EVP_DigestFinal_ex(stream->context, digest, NULL);
    if (done != 1)
        return -ENOTSUP;
    memcpy(hash->digest, digest, HASH_SIZE);
    hash->algorithm = (uint8_t)stream->algorithm;
    return 0;
}

void hash_stream_close(struct hash_stream *stream)
{
    if (!stream)
        return;
    EVP_MD_CTX_free(stream->context);
    free(stream);
}

int hash_compute(enum hash_algorithm algorithm, const void *bytes, size_t length, struct hash *hash)
{
    struct hash_stream *stream;
    int result = hash_stream_open(algorithm, &stream);
    if (result < 0)
        return result;
    result = hash_stream_update(stream, bytes, length);
    if (result == 0)
        result = hash_stream_finish(stream, hash);
    hash_stream_close(stream);
    return result;
}

/* cvmfs-format.md 5.3: the halves of the digest as little-endian signed integers. */
static int64_t little_endian(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int index = 7; index >= 0; index--)
        value = value << 8 | bytes[index];
    return (int64_t)value;
}

int path_hash_compute(const char *path, size_t length, struct path_hash *hash)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    const EVP_MD *md5 = fetch_digest(&path_digest, "MD5");
    if (!md5 || EVP_Digest(path, length, digest, NULL, md5, NULL) != 1)
        return -ENOTSUP;
    hash->first = little_endian(digest);
    hash->second = little_endian(digest + 8);
    return 0;
}
