/* The parts of the packer's downloads that need no network: which mirror comes next, what is kept
 * beside a file, what is drawn on a terminal. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "packer/checksum.h"
#include "packer/download_attempt.h"
#include "packer/download_cache.h"
#include "packer/download_display.h"
#include "packer/download_mirrors.h"
#include "packer/repomd.h"
#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "tests/unit/tap.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void test_mirror_order(void)
{
    const struct download_patience patience = {.rounds = 3, .pause = 1000, .pause_max = 1500};
    struct download_mirrors mirrors;
    if (!CHECK(download_mirrors_open(3, patience, &mirrors) == 0, "three mirrors"))
        return;
    CHECK(download_mirrors_retry(&mirrors, 0, 0, 0) && mirrors.current == 1 &&
              download_mirrors_time(&mirrors) == 0,
          "after a failure the next mirror is asked at once");
    CHECK(download_mirrors_refuse(&mirrors, 0, 0) && mirrors.current == 2, "after a refusal, too");
    CHECK(download_mirrors_retry(&mirrors, 100, 0, 0) && mirrors.current == 0 &&
              download_mirrors_time(&mirrors) == 1100,
          "after all of them the first is asked again, with a pause");
    CHECK(download_mirrors_retry(&mirrors, 1100, 0, 0) && mirrors.current == 2 &&
              download_mirrors_time(&mirrors) == 1100,
          "the one that refused is left out");
    CHECK(download_mirrors_retry(&mirrors, 1200, 0, 0) && mirrors.current == 0 &&
              download_mirrors_time(&mirrors) == 2700,
          "pauses grow up to their limit");
    CHECK(download_mirrors_retry(&mirrors, 2700, 0, 0) &&
              !download_mirrors_retry(&mirrors, 2700, 0, 0),
          "after the last round there is an end");
    download_mirrors_close(&mirrors);
}

static void test_mirror_times(void)
{
    const struct download_patience patience = {.rounds = 9, .pause = 1000, .pause_max = 60000};
    struct download_mirrors mirrors;
    if (!CHECK(download_mirrors_open(1, patience, &mirrors) == 0, "one mirror"))
        return;
    CHECK(download_mirrors_retry(&mirrors, 0, 30, 0) && download_mirrors_time(&mirrors) == 30000,
          "a server's own time is kept to");
    CHECK(download_mirrors_retry(&mirrors, 30000, 0, 1023) &&
              download_mirrors_time(&mirrors) == 31000,
          "chance shortens a pause by up to a half");
    CHECK(!download_mirrors_retry(&mirrors, 0, 61, 0), "a time too long is a refusal");
    struct error error = ERROR_INIT;
    mirrors.items[0].error.code = -EIO;
    (void)strcpy(mirrors.items[0].error.message, "busy");
    CHECK(download_mirrors_error(&mirrors, &error) == -EIO && strcmp(error.message, "busy") == 0,
          "what it said is said in the end");
    download_mirrors_close(&mirrors);
}

static void test_origin(void)
{
    static const char good[] = "url http://a/b c\netag \"x\"\nmodified Tue\nunknown word\n"
                               "sha256 " EMPTY_SHA256 "\n";
    auto_download_origin struct download_origin origin = DOWNLOAD_ORIGIN_INIT;
    CHECK(download_origin_parse(good, sizeof good - 1, &origin) == 0 &&
              strcmp(origin.url.bytes, "http://a/b c") == 0 && strcmp(origin.etag, "\"x\"") == 0 &&
              strcmp(origin.modified, "Tue") == 0 &&
              strcmp(origin.checksum.digits, EMPTY_SHA256) == 0,
          "what stands beside a file is read");
    static const char cut[] = "etag \"one\"\netag \"tw";
    static const char control[] = "etag \"a\r b\"\nsha256 xyz\nnothing\n\n";
    auto_download_origin struct download_origin other = DOWNLOAD_ORIGIN_INIT;
    CHECK(download_origin_parse(cut, sizeof cut - 1, &other) == 0 &&
              strcmp(other.etag, "\"one\"") == 0,
          "a line without an end does not count");
    auto_download_origin struct download_origin third = DOWNLOAD_ORIGIN_INIT;
    CHECK(download_origin_parse(control, sizeof control - 1, &third) == 0 && !third.etag[0] &&
              !checksum_known(&third.checksum),
          "what could not go out as a header does not come in");
}

static void test_cache(void)
{
    char directory[] = "/tmp/cvmfsexec-test-XXXXXX";
    if (!CHECK(mkdtemp(directory) != NULL, "a directory"))
        return;
    struct download_cache cache = DOWNLOAD_CACHE_INIT;
    struct error error = ERROR_INIT;
    struct checksum empty = CHECKSUM_NONE;
    struct download_key key;
    auto_fd int first = -1;
    auto_fd int second = -1;
    auto_fd int entry = -1;
    CHECK(download_cache_open(directory, &cache, &error) == 0 &&
              checksum_parse("SHA256", EMPTY_SHA256, &empty) == 0 &&
              download_key_make(&empty, "", &key) == 0 &&
              strcmp(key.name, "sha256-" EMPTY_SHA256) == 0,
          "an entry is named by its checksum");
    CHECK(download_partial_open(&cache, &key, &first, &error) == 0 &&
              download_partial_open(&cache, &key, &second, &error) == -EAGAIN,
          "one at a time writes a file");
    CHECK(download_entry_find(&cache, &key, &empty, 0, &entry, &error) == -ENOENT,
          "what is not finished is not found");
    CHECK(download_partial_publish(&cache, &key, first, &entry, &error) == 0, "it is published");
    scope_close_fd(&entry);
    entry = -1;
    CHECK(download_partial_open(&cache, &key, &second, &error) == 0,
          "a later writer is not kept out by the published file");
    CHECK(download_entry_find(&cache, &key, &empty, 7, &entry, &error) == -ENOENT &&
              faccessat(cache.directory, key.name, F_OK, 0) < 0,
          "an entry of another size is removed");
    download_partial_remove(&cache, &key);
    download_cache_close(&cache);
    (void)directory_remove(AT_FDCWD, directory);
}

static void test_checksums(void)
{
    struct checksum checksum = CHECKSUM_NONE;
    CHECK(checksum_parse("sha", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", &checksum) == 0 &&
              strcmp(checksum.kind, "sha1") == 0 && checksum.digits[0] == 'd',
          "sha is an old name of sha1, and digits may be large");
    CHECK(checksum_parse("md5", "d41d8cd98f00b204e9800998ecf8427e", &checksum) == -ENOTSUP &&
              checksum_parse("crc", "0", &checksum) == -ENOTSUP,
          "what protects from nothing is no checksum");
    CHECK(checksum_parse("sha256", "e3b0", &checksum) == -EINVAL &&
              checksum_parse("sha1", "ga39a3ee5e6b4b0d3255bfef95601890afd80709", &checksum) ==
                  -EINVAL,
          "digits are as many as they should be, and digits");
    const struct checksum none = CHECKSUM_NONE;
    CHECK(!checksum_equal(&none, &none), "two unknown ones are not equal");
}

static void test_locations(void)
{
    static const char *const bad[] = {"",     "/a",    "a//b",       "..",    "a/../b", "./a",
                                      "a/.",  "a/",    "http://a/b", "a?b",   "a#b",    "a\\b",
                                      "a\nb", "a%2fb", "%2E%2e/a",   "a%00b", "a%1fb"};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++) {
        auto_text struct text escaped = TEXT_INIT;
        CHECK(repomd_escape_location(bad[index], &escaped) == -EINVAL,
              "the location \"%s\" is refused",
              strchr(bad[index], '\n') ? "with a line end" : bad[index]);
    }
    auto_text struct text escaped = TEXT_INIT;
    CHECK(repomd_escape_location("P/c/a+b^c~d 1%20%zz\xc3\xa9.rpm", &escaped) == 0 &&
              strcmp(escaped.bytes, "P/c/a%2Bb%5Ec~d%201%20%25zz%C3%A9.rpm") == 0,
          "what URLs do not allow is escaped once");
    const char *host = NULL;
    size_t length = 0;
    download_host("https://user:p@ss@repo.example.org:8443/a@b", &host, &length);
    CHECK(length == 21 && memcmp(host, "repo.example.org:8443", 21) == 0,
          "a host is found behind user and password");
}

/* What is drawn for these downloads at that time. */
static const char *draw(struct download_display *display, const struct download *downloads,
                        size_t count, const struct download *ended, size_t width, int64_t now,
                        struct text *out)
{
    text_free(out);
    return download_display_draw(display, downloads, count, ended, width, now, out) == 0 &&
                   out->bytes
               ? out->bytes
               : "";
}

static void test_terminal(void)
{
    struct download_display display = {.fd = -1, .terminal = true};
    auto_text struct text out = TEXT_INIT;
    struct download downloads[2] = {
        {.label = "a.rpm", .state = DOWNLOAD_ACTIVE, .received = 1000000, .total = 4000000},
        {.label = "b\033[31m.rpm", .state = DOWNLOAD_PAUSED, .total = 6000000},
    };
    const char *shown = draw(&display, downloads, 2, NULL, 80, 0, &out);
    CHECK(strstr(shown, " 25%  1.0 MB of 4.0 MB\n") && strstr(shown, "waits, 0 bytes") &&
              strstr(shown, "0 of 2 files, 1.0 MB of 10.0 MB"),
          "each file and all of them are shown: %zu bytes", out.length);
    CHECK(!strchr(shown, '\033') && strstr(shown, "b?[31m.rpm"),
          "a name cannot speak to the terminal");
    downloads[0].received = 3000000;
    shown = draw(&display, downloads, 2, NULL, 80, 1000, &out);
    CHECK(strncmp(shown, "\r\033[2A\033[J", 8) == 0 &&
              strstr(shown, "3.0 MB of 10.0 MB, 2.0 MB/s, 0:04 left"),
          "the lines are drawn over, with rate and time left");
    shown = draw(&display, downloads, 2, NULL, 30, 1100, &out);
    CHECK(strncmp(shown, "\r\033[7A", 5) == 0,
          "lines that a narrower terminal has broken are taken away whole");
    size_t longest = 0;
    for (const char *line = strstr(shown, "\033[J") + 3; line;) {
        const size_t length = strcspn(line, "\n");
        longest = length > longest ? length : longest;
        line = line[length] ? line + length + 1 : NULL;
    }
    CHECK(longest < 30, "no line is as wide as the terminal (%zu)", longest);
    downloads[0].state = downloads[1].state = DOWNLOAD_DONE;
    downloads[1].cached = true;
    shown = draw(&display, downloads, 2, &downloads[0], 80, 1200, &out);
    CHECK(strstr(shown, "\033[Ja.rpm: 3.0 MB\n") && display.line_count == 0,
          "what is there stays as one line, and the rest goes");
}

static void test_pipe(void)
{
    struct download_display display = {.fd = -1};
    auto_text struct text out = TEXT_INIT;
    struct download downloads[1] = {{.label = "a.rpm", .state = DOWNLOAD_ACTIVE}};
    CHECK(!*draw(&display, downloads, 1, NULL, 80, 0, &out), "a pipe hears nothing on the way");
    downloads[0].state = DOWNLOAD_DONE;
    downloads[0].received = 1234;
    downloads[0].cached = true;
    CHECK(strcmp(draw(&display, downloads, 1, downloads, 80, 0, &out),
                 "makedist: a.rpm: 1.2 kB, cached\n") == 0,
          "and one line at the end");
    display.quiet = true;
    CHECK(!*draw(&display, downloads, 1, downloads, 80, 0, &out), "or none");
}

int main(void)
{
    test_mirror_order();
    test_mirror_times();
    test_origin();
    test_cache();
    test_checksums();
    test_locations();
    test_terminal();
    test_pipe();
    return tap_done();
}
