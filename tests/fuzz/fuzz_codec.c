/* Decompression of what a server sends, in pieces whose sizes the input chooses too: never more
 * room used than given, never more input than there is, and the same content whatever the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "payload/client/codec.h"

#define CONTENT_MOST (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char whole[CONTENT_MOST];
static unsigned char pieces[CONTENT_MOST];

/* Decodes in steps of `step` bytes of input and of output; the length, at most CONTENT_MOST. `*end`
 * is 0, 1 for a complete stream, or a negative errno. */
static size_t decode(struct codec_stream *stream, const uint8_t *data, size_t size, size_t step,
                     unsigned char *content, int *end)
{
    size_t total = 0;
    *end = codec_reset(stream);
    for (size_t begin = 0; begin < size && *end == 0; begin += step) {
        size_t given = size - begin < step ? size - begin : step;
        struct codec_input input = {.bytes = data + begin, .length = given};
        size_t room = 0;
        size_t made = 0;
        while (*end == 0 && made == room) {
            room = CONTENT_MOST - total < step ? CONTENT_MOST - total : step;
            if (room == 0)
                return total;
            *end = codec_decode(stream, &input, content + total, room, &made);
            if (made > room || input.length > given)
                abort();
            total += made;
        }
        if (*end == 0 && input.length > 0)
            abort(); /* there was room, so all of it had to be taken */
    }
    if (*end == 0)
        *end = codec_is_complete(stream);
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum codec_kind kind = data[0] & 1 ? CODEC_ZLIB : CODEC_NONE;
    size_t step = (size_t)data[1] + 1;
    struct codec_stream *stream;
    if (codec_open(kind, &stream) < 0)
        return 0;
    int whole_end;
    int pieces_end;
    size_t length = decode(stream, data + 2, size - 2, CONTENT_MOST, whole, &whole_end);
    size_t again = decode(stream, data + 2, size - 2, step, pieces, &pieces_end);
    /* Where a stream is bad, how much of it came out before depends on the room there was. */
    size_t common = length < again ? length : again;
    if (memcmp(whole, pieces, common) != 0)
        abort();
    if (length < CONTENT_MOST && (whole_end != pieces_end || (whole_end >= 0 && length != again)))
        abort();
    codec_close(stream);
    return 0;
}
