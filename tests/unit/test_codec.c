/* payload/client/codec: streams decompress in pieces of any size, and distrust what they are given.
 */
#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "payload/base/scope.h"
#include "payload/client/codec.h"
#include "tests/unit/tap.h"

#define CONTENT_SIZE 100000

static unsigned char content[CONTENT_SIZE];
static unsigned char packed[CONTENT_SIZE];
static unsigned char unpacked[CONTENT_SIZE + 1];
static size_t packed_length;

static void prepare(void)
{
    for (size_t i = 0; i < CONTENT_SIZE; i++)
        content[i] = (unsigned char)(i * i / 97);
    uLongf length = sizeof packed;
    (void)compress(packed, &length, content, CONTENT_SIZE);
    packed_length = length;
}

/* Decodes `bytes` in pieces of `step` into room for `step` bytes at a time. The length that came
 * out, or a negative errno. */
static long decode(struct codec_stream *stream, const unsigned char *bytes, size_t length,
                   size_t step)
{
    size_t total = 0;
    for (size_t begin = 0; begin < length; begin += step) {
        size_t left = length - begin;
        struct codec_input input = {.bytes = bytes + begin, .length = left < step ? left : step};
        size_t room = 0;
        size_t made = 0;
        while (made == room) {
            room = sizeof unpacked - total < step ? sizeof unpacked - total : step;
            int result = codec_decode(stream, &input, unpacked + total, room, &made);
            if (result < 0)
                return result;
            total += made;
            if (total == sizeof unpacked)
                return -EFBIG;
        }
    }
    return (long)total;
}

static void zlib_decodes_in_pieces_of_any_size(void)
{
    struct codec_stream *stream;
    if (!CHECK(codec_open(CODEC_ZLIB, &stream) == 0, "a zlib stream opens"))
        return;
    const size_t steps[] = {1, 7, 4096, 1000000};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        long length = decode(stream, packed, packed_length, steps[i]);
        CHECK(length == CONTENT_SIZE && memcmp(unpacked, content, CONTENT_SIZE) == 0 &&
                  codec_is_complete(stream),
              "pieces of %zu bytes give the content", steps[i]);
        CHECK(codec_reset(stream) == 0, "the stream can be used again");
    }
    codec_close(stream);
}

static void zlib_knows_when_it_is_complete(void)
{
    struct codec_stream *stream;
    (void)codec_open(CODEC_ZLIB, &stream);
    CHECK(!codec_is_complete(stream), "nothing is no zlib stream");
    long length = decode(stream, packed, packed_length - 5, 4096);
    CHECK(length >= 0 && !codec_is_complete(stream), "a stream that is cut off is not complete");
    (void)codec_reset(stream);
    (void)decode(stream, packed, packed_length, 4096);
    unsigned char more[] = "what follows";
    CHECK(decode(stream, more, sizeof more, 4096) == 0 && codec_is_complete(stream),
          "what follows the end is passed over");
    codec_close(stream);
}

static void zlib_refuses_damaged_bytes(void)
{
    struct codec_stream *stream;
    (void)codec_open(CODEC_ZLIB, &stream);
    auto_free unsigned char *damaged = malloc(packed_length);
    if (!damaged)
        return;
    memcpy(damaged, packed, packed_length);
    damaged[packed_length - 1] ^= 1;
    CHECK(decode(stream, damaged, packed_length, 4096) == -EBADMSG, "a wrong checksum is refused");
    (void)codec_reset(stream);
    CHECK(decode(stream, content, 100, 100) == -EBADMSG, "what is no zlib stream is refused");
    (void)codec_reset(stream);
    CHECK(decode(stream, packed, packed_length, 4096) == CONTENT_SIZE,
          "a reset stream forgets what was wrong");
    codec_close(stream);
}

static void the_empty_object_decodes_to_nothing(void)
{
    static const unsigned char empty[] = {0x78, 0x9c, 0x03, 0, 0, 0, 0, 0x01};
    struct codec_stream *stream;
    (void)codec_open(CODEC_ZLIB, &stream);
    CHECK(decode(stream, empty, sizeof empty, 3) == 0 && codec_is_complete(stream),
          "the compressed form of nothing is complete");
    codec_close(stream);
}

static void no_codec_copies(void)
{
    struct codec_stream *stream;
    (void)codec_open(CODEC_NONE, &stream);
    CHECK(codec_is_complete(stream), "without a codec, nothing is a whole object");
    CHECK(decode(stream, content, CONTENT_SIZE, 777) == CONTENT_SIZE &&
              memcmp(unpacked, content, CONTENT_SIZE) == 0,
          "without a codec, bytes stay what they are");
    codec_close(stream);
}

static void unknown_codecs_are_refused(void)
{
    struct codec_stream *stream;
    CHECK(codec_open(CODEC_COUNT, &stream) == -EINVAL, "an unknown codec is refused");
    codec_close(NULL);
}

int main(void)
{
    prepare();
    zlib_decodes_in_pieces_of_any_size();
    zlib_knows_when_it_is_complete();
    zlib_refuses_damaged_bytes();
    the_empty_object_decodes_to_nothing();
    no_codec_copies();
    unknown_codecs_are_refused();
    return tap_done();
}
