/* Content hashes: the names of objects and the check of what they hold (cvmfs-format.md 1.3). */
#ifndef CVMFSEXEC_CLIENT_HASH_H
#define CVMFSEXEC_CLIENT_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* HASH_NONE is the null hash: "absent". The others are 1 + the value of a catalog row's flag
 * bits 8-10. */
enum hash_algorithm { HASH_NONE = 0, HASH_SHA1 = 1, HASH_RIPEMD160 = 2, HASH_SHAKE128 = 3 };

#define HASH_SIZE 20      /* digest bytes, of every algorithm */
#define HASH_TEXT_SIZE 50 /* the longest text (40 hex digits, "-shake128") and a NUL */

struct hash {
    uint8_t digest[HASH_SIZE];
    uint8_t algorithm; /* enum hash_algorithm */
};

/* Reads the text form, classified by its length alone. 0, or -EINVAL for anything but 40 lower-case
 * hex digits followed by nothing, "-rmd160" or "-shake128". */
int hash_parse(const char *text, size_t length, struct hash *hash);

/* Writes the text form with its algorithm's identifier; the null hash gives "". Returns `text`. */
char *hash_format(const struct hash *hash, char text[HASH_TEXT_SIZE]);

bool hash_equal(const struct hash *one, const struct hash *other);
bool hash_is_null(const struct hash *hash);

/* A digest under construction. Returns 0, -EINVAL for an algorithm that does not exist, -ENOMEM,
 * or -ENOTSUP where the crypto library refuses the algorithm. */
struct hash_stream;
int hash_stream_open(enum hash_algorithm algorithm, struct hash_stream **stream);
int hash_stream_update(struct hash_stream *stream, const void *bytes, size_t length);
/* Starts again, with the same algorithm and no bytes. */
int hash_stream_reset(struct hash_stream *stream);
int hash_stream_finish(struct hash_stream *stream, struct hash *hash);
void hash_stream_close(struct hash_stream *stream); /* NULL is allowed */

/* The digest of one buffer. Errors as above. */
int hash_compute(enum hash_algorithm algorithm, const void *bytes, size_t length,
                 struct hash *hash);

/* MD5 of a path as the two integers of a catalog row (cvmfs-format.md 5.3). */
struct path_hash {
    int64_t first;
    int64_t second;
};
int path_hash_compute(const char *path, size_t length, struct path_hash *hash);

#endif
