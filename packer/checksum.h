/* Checksums as the metadata of package repositories names them: a kind and hex digits. */
#ifndef CVMFSEXEC_PACKER_CHECKSUM_H
#define CVMFSEXEC_PACKER_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"

#define CHECKSUM_DIGITS_MAX 128 /* of sha512 */

/* Without digits: nothing is known about the content. */
struct checksum {
    const char *kind;                     /* "sha1", "sha256", ...: constant; NULL without digits */
    char digits[CHECKSUM_DIGITS_MAX + 1]; /* lower case */
};

#define CHECKSUM_NONE              \
    {                              \
        .kind = NULL, .digits = "" \
    }

bool checksum_known(const struct checksum *checksum); /* NULL is allowed, and not known */
bool checksum_equal(const struct checksum *one, const struct checksum *other);

/* Reads kind ("sha" is an old name of "sha1") and digits, of either case. 0; -ENOTSUP for kinds
 * that do not exist or that no longer protect from anything (md5); -EINVAL for digits that are none
 * or not as many as the kind has. */
int checksum_parse(const char *kind, const char *digits, struct checksum *checksum);

/* The checksum of a whole file from its beginning, wherever its offset stands. 0 or a negative
 * errno of reading; -ENOTSUP as above. */
int checksum_of_file(int fd, const char *kind, struct checksum *checksum);

/* One under construction, for bytes that come by. 0, -ENOMEM, or -ENOTSUP as above. */
struct checksum_stream;
int checksum_stream_open(const char *kind, struct checksum_stream **stream);
int checksum_stream_update(struct checksum_stream *stream, const void *bytes, size_t length);
int checksum_stream_finish(struct checksum_stream *stream, struct checksum *checksum);
void checksum_stream_close(struct checksum_stream *stream); /* NULL is allowed */

#endif
