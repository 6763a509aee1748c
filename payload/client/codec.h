/* Streaming decompression of objects: a table of codecs (cvmfs-format.md 1.4). */
#ifndef CVMFSEXEC_CLIENT_CODEC_H
#define CVMFSEXEC_CLIENT_CODEC_H

#include <stdbool.h>
#include <stddef.h>

enum codec_kind { CODEC_NONE, CODEC_ZLIB, CODEC_COUNT };

struct codec_stream;

/* A stream at its beginning, released by codec_close. 0, -EINVAL for an unknown kind, -ENOMEM. */
int codec_open(enum codec_kind kind, struct codec_stream **stream);
void codec_close(struct codec_stream *stream); /* NULL is allowed */

/* Back to the beginning, for another object. */
int codec_reset(struct codec_stream *stream);

struct codec_input {
    const void *bytes; /* advanced over what has been taken */
    size_t length;
};

/* Decompresses into `output` until its `room` is full or the input is used up, and sets `*made` to
 * the bytes put there. Where it is full there may be more to come from the same input, or with no
 * input at all: call again until `*made` is less than `room`. What follows the end of the stream
 * is passed over. 0; -EBADMSG for what is no such stream; -ENOMEM. */
int codec_decode(struct codec_stream *stream, struct codec_input *input, void *output, size_t room,
                 size_t *made);

/* Whether what has been decoded so far is whole. */
bool codec_is_complete(const struct codec_stream *stream);

#endif
