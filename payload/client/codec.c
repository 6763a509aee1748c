/* The codecs: zlib, and none at all. Which one an object has is known by who refers to it; nothing
 * is guessed here. */
#define ZLIB_CONST
#include "payload/client/codec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct codec_stream {
    const struct codec *codec;
    bool complete;
    z_stream zlib;
};

struct codec {
    int (*open)(struct codec_stream *stream);
    int (*reset)(struct codec_stream *stream);
    int (*decode)(struct codec_stream *stream, struct codec_input *input, void *output, size_t room,
                  size_t *made);
    void (*close)(struct codec_stream *stream);
};

static int none_start(struct codec_stream *stream)
{
    stream->complete = true; /* every byte string is whole */
    return 0;
}

static int none_decode(struct codec_stream *stream, struct codec_input *input, void *output,
                       size_t room, size_t *made)
{
    (void)stream;
    size_t length = input->length < room ? input->length : room;
    if (length)
        memcpy(output, input->bytes, length);
    input->bytes = (const char *)input->bytes + length;
    input->length -= length;
    *made = length;
    return 0;
}

static void none_close(struct codec_stream *stream)
{
    (void)stream;
}

static int zlib_open(struct codec_stream *stream)
{
    return inflateInit(&stream->zlib) == Z_OK ? 0 : -ENOMEM;
}

static int zlib_reset(struct codec_stream *stream)
{
    stream->complete = false;
    return inflateReset(&stream->zlib) == Z_OK ? 0 : -EINVAL;
}

static uInt at_most_uint(size_t length)
{
    return length < UINT_MAX ? (uInt)length : UINT_MAX;
}

static int zlib_decode(struct codec_stream *stream, struct codec_input *input, void *output,
                       size_t room, size_t *made)
{
    z_stream *zlib = &stream->zlib;
    *made = 0;
    while (!stream->complete) {
        uInt given = at_most_uint(input->length);
        uInt wanted = at_most_uint(room - *made);
        zlib->next_in = input->bytes;
        zlib->avail_in = given;
        zlib->next_out = (Bytef *)output + *made;
        zlib->avail_out = wanted;
        int result = inflate(zlib, Z_NO_FLUSH);
        input->bytes = zlib->next_in;
        input->length -= given - zlib->avail_in;
        *made += wanted - zlib->avail_out;
        if (result == Z_STREAM_END)
            stream->complete = true;
        else if (result == Z_MEM_ERROR)
            return -ENOMEM;
        else if (result == Z_BUF_ERROR)
            return 0; /* no input, or no room */
        else if (result != Z_OK)
            return -EBADMSG;
    }
    input->bytes = (const char *)input->bytes + input->length;
    input->length = 0;
    return 0;
}

static void zlib_close(struct codec_stream *stream)
{
    (void)inflateEnd(&stream->zlib); /* fails only for a stream that was never opened */
}

static const struct codec codecs[CODEC_COUNT] = {
    [CODEC_NONE] = {none_start, none_start, none_decode, none_close},
    [CODEC_ZLIB] = {zlib_open, zlib_reset, zlib_decode, zlib_close},
};

int codec_open(enum codec_kind kind, struct codec_stream **stream)
{
    if ((unsigned)kind >= CODEC_COUNT)
        return -EINVAL;
    struct codec_stream *opened = calloc(1, sizeof *opened);
    if (!opened)
        return -ENOMEM;
    opened->codec = &codecs[kind];
    int result = opened->codec->open(opened);
    if (result < 0) {
        free(opened);
        return result;
    }
    *stream = opened;
    return 0;
}

void codec_close(struct codec_stream *stream)
{
    if (!stream)
        return;
    stream->codec->close(stream);
    free(stream);
}

int codec_reset(struct codec_stream *stream)
{
    return stream->codec->reset(stream);
}

int codec_decode(struct codec_stream *stream, struct codec_input *input, void *output, size_t room,
                 size_t *made)
{
    return stream->codec->decode(stream, input, output, room, made);
}

bool codec_is_complete(const struct codec_stream *stream)
{
    return stream->complete;
}
