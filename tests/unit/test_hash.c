/* Hashes: the values that cvmfs-format.md 1.4 and 5.3 give, and the text form both ways. */
#include <errno.h>

#include "payload/client/hash.h"
#include "tests/unit/tap.h"

static void the_empty_content_has_the_documented_hashes(void)
{
    static const unsigned char empty_zlib[] = {0x78, 0x9c, 3, 0, 0, 0, 0, 1};
    static const struct {
        enum hash_algorithm algorithm;
        size_t length;
        const char *text;
    } rows[] = {
        {HASH_SHA1, 8, "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b78"},
        {HASH_RIPEMD160, 8, "fcdb20b894f31f1306d56294c049ca7293dde0fc-rmd160"},
        {HASH_SHAKE128, 8, "28d94b83b7229b331fc601362b8e272e02665122-shake128"},
        {HASH_SHA1, 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {HASH_SHAKE128, 0, "7f9c2ba4e88f827d616045507605853ed73b8093-shake128"},
    };
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct hash hash = {0};
        char text[HASH_TEXT_SIZE];
        int result = hash_compute(rows[index].algorithm, empty_zlib, rows[index].length, &hash);
        CHECK(result == 0 && strcmp(hash_format(&hash, text), rows[index].text) == 0,
              "%zu bytes hash to %s", rows[index].length, rows[index].text);
        struct hash parsed;
        CHECK(hash_parse(rows[index].text, strlen(rows[index].text), &parsed) == 0 &&
                  hash_equal(&hash, &parsed),
              "the text reads back as the same hash");
    }
}

static void a_text_of_another_shape_is_no_hash(void)
{
    static const char *const texts[] = {
        "",
        "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b7",
        "e8ec3d88b62ebf526e4e5a4ff6162a3aa48a6b7g",
        "E8EC3D88B62EBF526E4E5A4FF6162A3AA48A6B78",
        "fcdb20b894f31f1306d56294c049ca7293dde0fc-rmd161",
        "d41d8cd98f00b204e9800998ecf8427e",
    };
    for (size_t index = 0; index < sizeof texts / sizeof texts[0]; index++) {
        struct hash hash;
        CHECK(hash_parse(texts[index], strlen(texts[index]), &hash) == -EINVAL, "\"%s\" is refused",
              texts[index]);
    }
}

static void a_stream_starts_again_after_a_reset(void)
{
    struct hash_stream *stream = NULL;
    struct hash whole;
    struct hash again;
    int result = hash_stream_open(HASH_SHAKE128, &stream);
    CHECK(result == 0, "a stream opens");
    result = hash_stream_update(stream, "junk", 4) | hash_stream_reset(stream) |
             hash_stream_update(stream, "ab", 2) | hash_stream_update(stream, "c", 1) |
             hash_stream_finish(stream, &again) | hash_compute(HASH_SHAKE128, "abc", 3, &whole);
    CHECK(result == 0 && hash_equal(&whole, &again), "what came before a reset does not count");
    hash_stream_close(stream);
    CHECK(hash_stream_open(HASH_NONE, &stream) == -EINVAL, "the null algorithm has no stream");
}

static void paths_hash_to_the_documented_integers(void)
{
    struct path_hash hash;
    CHECK(path_hash_compute("", 0, &hash) == 0 && hash.first == 338333539836370388 &&
              hash.second == 9098107892288553193,
          "the root's path hash");
    CHECK(path_hash_compute("/foo", 4, &hash) == 0 && hash.first == 5745132282796244766 &&
              hash.second == -5819618580357280866,
          "the path hash of /foo");
}

int main(void)
{
    the_empty_content_has_the_documented_hashes();
    a_text_of_another_shape_is_no_hash();
    a_stream_starts_again_after_a_reset();
    paths_hash_to_the_documented_integers();
    return tap_done();
}
