/* stub/unpack: frames become files below one directory, and damaged ones an error. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <zstd.h>

#include "packer/contents.h"
#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "stub/unpack.h"
#include "tests/unit/tap.h"
#include "tests/unit/tarmaker.h"

enum { FRAMES_LIMIT = 64 };

/* A payload under construction, and the directory it is unpacked to. */
struct bench {
    struct bundle bundle;
    struct bundle_frame frames[FRAMES_LIMIT];
    struct text payload;
    char path[32];
    int parent;
    int directory;
};

static void bench_open(struct bench *bench)
{
    memset(bench, 0, sizeof *bench);
    bench->bundle.frames = bench->frames;
    (void)strcpy(bench->path, "/tmp/test_unpack.XXXXXX");
    if (!mkdtemp(bench->path))
        abort();
    bench->parent = open(bench->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    (void)mkdirat(bench->parent, "tree", 0755);
    bench->directory = openat(bench->parent, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void bench_close(struct bench *bench)
{
    (void)close(bench->directory);
    (void)close(bench->parent);
    (void)directory_remove(AT_FDCWD, bench->path);
    text_free(&bench->payload);
}

#define auto_bench __attribute__((cleanup(bench_close)))

/* Compresses `tar` as the next frame and empties it. */
static void add_frame(struct bench *bench, struct text *tar, bool continues)
{
    size_t room = ZSTD_compressBound(tar->length);
    if (text_reserve(&bench->payload, room) < 0)
        abort();
    size_t size = ZSTD_compress(bench->payload.bytes + bench->payload.length, room, tar->bytes,
                                tar->length, 3);
    bench->frames[bench->bundle.frame_count++] =
        (struct bundle_frame){.offset = bench->payload.length,
                              .size = (uint32_t)size,
                              .content_size = (uint32_t)tar->length,
                              .continues = continues};
    bench->payload.length += size;
    bench->bundle.payload_size = bench->payload.length;
    bench->bundle.content_size += tar->length;
    text_free(tar);
}

/* Who only reads a bundle finds the same damage; what the file system refuses, it does not see. */
static void check_reading_agrees(const struct bench *bench, int file, int unpacked)
{
    struct error error = ERROR_INIT;
    const struct contents contents = {.fd = file, .bundle = bench->bundle};
    int result = contents_walk(&contents, NULL, NULL, &error);
    CHECK(result == (unpacked == -EBADMSG ? unpacked : 0), "reading it finds as much: %s",
          error.message);
}

static int unpack(struct bench *bench, uint64_t entries, unsigned threads, struct error *error)
{
    auto_file FILE *file = tmpfile();
    bench->bundle.entry_count = entries;
    if (!file || fwrite(bench->payload.bytes, bench->payload.length, 1, file) != 1 ||
        fflush(file) != 0)
        return -EIO;
    const struct unpack_options options = {
        .file = fileno(file), .directory = bench->directory, .threads = threads};
    int result = unpack_bundle(&bench->bundle, &options, error);
    check_reading_agrees(bench, fileno(file), result);
    return result;
}

static bool has_content(const struct bench *bench, const char *path, const char *content)
{
    auto_text struct text found = TEXT_INIT;
    return file_load(bench->directory, path, 1 << 24, &found) == 0 &&
           found.length == strlen(content) &&
           (found.length == 0 || memcmp(found.bytes, content, found.length) == 0);
}

static bool has_mode(const struct bench *bench, const char *path, mode_t mode)
{
    struct stat status;
    return fstatat(bench->directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           (status.st_mode & 07777) == mode;
}

static void a_tree_is_unpacked(void)
{
    auto_bench struct bench bench;
    auto_text struct text tar = TEXT_INIT;
    struct error error = ERROR_INIT;
    char target[8] = "";
    bench_open(&bench);
    tar_add(&tar, '5', "dist", 0775, "", "");
    tar_add(&tar, '5', "dist/closed", 0555, "", "");
    tar_add(&tar, '2', "dist/link", 0777, "", "/x/../y");
    add_frame(&bench, &tar, false);
    tar_add(&tar, '0', "program", 04755, "#!", "");
    tar_add(&tar, '0', "dist/closed/file", 0446, "content", "");
    tar_add(&tar, '0', "dist/empty", 0600, "", "");
    tar_end(&tar);
    add_frame(&bench, &tar, false);
    mode_t mask = umask(077);
    CHECK(unpack(&bench, 6, 2, &error) == 0, "a tree is unpacked: %s", error.message);
    (void)umask(mask);
    CHECK(has_content(&bench, "program", "#!") && has_content(&bench, "dist/empty", "") &&
              has_content(&bench, "dist/closed/file", "content"),
          "files have their contents");
    CHECK(has_mode(&bench, "program", 0755), "a set-id bit is left out");
    CHECK(has_mode(&bench, "dist/closed/file", 0444),
          "others may not write, whatever the archive says");
    CHECK(has_mode(&bench, "dist", 0755), "the group may not write to a directory");
    CHECK(has_mode(&bench, "dist/closed", 0755), "the owner may write to every directory");
    CHECK(readlinkat(bench.directory, "dist/link", target, sizeof target) == 7 &&
              memcmp(target, "/x/../y", 7) == 0,
          "a link has its target, unchanged");
    struct stat status;
    CHECK(fstatat(bench.directory, "program", &status, 0) == 0 &&
              status.st_mtime >= time(NULL) - 60,
          "a file has the time of now");
}

static void many_frames_are_unpacked_by_many_threads(void)
{
    auto_bench struct bench bench;
    auto_text struct text tar = TEXT_INIT;
    struct error error = ERROR_INIT;
    char name[32];
    unsigned good = 0;
    bench_open(&bench);
    tar_add(&tar, '5', "a", 0755, "", "");
    tar_add(&tar, '5', "b", 0755, "", "");
    add_frame(&bench, &tar, false);
    for (unsigned frame = 1; frame <= 40; frame++) {
        for (unsigned i = 0; i < 10; i++) {
            (void)snprintf(name, sizeof name, "%s/%u-%u", i % 2 ? "a" : "b", frame, i);
            tar_add(&tar, '0', name, 0644, name, "");
        }
        add_frame(&bench, &tar, false);
    }
    CHECK(unpack(&bench, 402, 16, &error) == 0, "41 frames are unpacked by 16 threads: %s",
          error.message);
    for (unsigned frame = 1; frame <= 40; frame++) {
        for (unsigned i = 0; i < 10; i++) {
            (void)snprintf(name, sizeof name, "%s/%u-%u", i % 2 ? "a" : "b", frame, i);
            good += has_content(&bench, name, name);
        }
    }
    CHECK(good == 400, "all 400 files have their own contents");
}

/* A file of 100,000 bytes over three frames, and small ones before and behind it. */
static void add_long_file(struct bench *bench, const char *content, size_t first, size_t second)
{
    auto_text struct text whole = TEXT_INIT;
    auto_text struct text part = TEXT_INIT;
    size_t begin = 0;
    tar_add(&whole, '0', "before", 0644, "b", "");
    tar_add(&whole, '0', "long", 0644, content, "");
    tar_add(&whole, '0', "behind", 0644, "c", "");
    tar_end(&whole);
    const size_t ends[] = {first, second, whole.length};
    for (size_t i = 0; i < 3; i++) {
        (void)text_append(&part, whole.bytes + begin, ends[i] - begin);
        begin = ends[i];
        add_frame(bench, &part, i > 0);
    }
}

static void a_long_file_goes_through_several_frames(void)
{
    auto_bench struct bench bench;
    struct error error = ERROR_INIT;
    auto_free char *content = malloc(100001);
    if (!CHECK(content != NULL, "memory"))
        return;
    for (size_t i = 0; i < 100000; i++)
        content[i] = (char)('a' + i % 23);
    content[100000] = '\0';
    bench_open(&bench);
    add_long_file(&bench, content, 10 * TAR_BLOCK, 60 * TAR_BLOCK);
    CHECK(unpack(&bench, 3, 4, &error) == 0, "a file is cut into three frames: %s", error.message);
    CHECK(has_content(&bench, "long", content), "the file is whole");
    CHECK(has_content(&bench, "before", "b") && has_content(&bench, "behind", "c"),
          "its neighbours are, too");
}

/* Unpacks what is in the bench, which has to fail. */
static void check_fails(struct bench *bench, uint64_t entries, int expected, const char *what)
{
    struct error error = ERROR_INIT;
    int result = unpack(bench, entries, 3, &error);
    CHECK(result == expected && error.message[0], "%s: %s", what, error.message);
    bench_close(bench);
    bench_open(bench);
}

static void nothing_leaves_the_directory(void)
{
    auto_bench struct bench bench;
    auto_text struct text tar = TEXT_INIT;
    bench_open(&bench);
    tar_add(&tar, '2', "out", 0777, "", "..");
    add_frame(&bench, &tar, false);
    tar_add(&tar, '0', "out/file", 0644, "", "");
    add_frame(&bench, &tar, false);
    check_fails(&bench, 2, -ENOTDIR, "a file below a symbolic link");

    tar_add(&tar, '2', "out", 0777, "", "../file");
    add_frame(&bench, &tar, false);
    tar_add(&tar, '0', "out", 0644, "", "");
    add_frame(&bench, &tar, false);
    check_fails(&bench, 2, -EEXIST, "a file in the place of a symbolic link");

    tar_add(&tar, '0', "../file", 0644, "", "");
    add_frame(&bench, &tar, false);
    check_fails(&bench, 1, -EBADMSG, "a file beside the directory");

    tar_add(&tar, '0', "/tmp/test_unpack", 0644, "", "");
    add_frame(&bench, &tar, false);
    check_fails(&bench, 1, -EBADMSG, "a file with an absolute name");

    tar_add(&tar, '0', "missing/file", 0644, "", "");
    add_frame(&bench, &tar, false);
    check_fails(&bench, 1, -ENOENT, "a file without its directory");

    tar_add(&tar, '0', "file", 0644, "", "");
    add_frame(&bench, &tar, false);
    tar_add(&tar, '0', "file", 0644, "", "");
    add_frame(&bench, &tar, false);
    check_fails(&bench, 2, -EEXIST, "a file that is there twice");
}

static void add_small_tree(struct bench *bench)
{
    auto_text struct text tar = TEXT_INIT;
    tar_add(&tar, '5', "d", 0755, "", "");
    add_frame(bench, &tar, false);
    tar_add(&tar, '0', "d/file", 0644, "some content", "");
    add_frame(bench, &tar, false);
}

static void damaged_payloads_are_refused(void)
{
    auto_bench struct bench bench;
    bench_open(&bench);
    add_small_tree(&bench);
    check_fails(&bench, 3, -EBADMSG, "fewer entries than the note says");
    add_small_tree(&bench);
    check_fails(&bench, 1, -EBADMSG, "more entries than the note says");
    add_small_tree(&bench);
    bench.payload.bytes[bench.frames[1].offset + 20] ^= 1;
    check_fails(&bench, 2, -EBADMSG, "a flipped bit");
    add_small_tree(&bench);
    bench.payload.length -= 5;
    check_fails(&bench, 2, -EBADMSG, "a payload cut short");
    add_small_tree(&bench);
    bench.frames[1].content_size--;
    check_fails(&bench, 2, -EBADMSG, "content longer than the note says");
    add_small_tree(&bench);
    bench.frames[1].content_size++;
    check_fails(&bench, 2, -EBADMSG, "content shorter than the note says");
    add_small_tree(&bench);
    bench.payload.bytes[bench.frames[1].offset] = 0x27; /* the magic of zstd 0.7 */
    check_fails(&bench, 2, -EBADMSG, "a frame of an older format");
    add_small_tree(&bench);
    bench.frames[1].continues = true;
    check_fails(&bench, 2, -EBADMSG, "a frame that continues nothing");
}

static void cut_files_are_refused(void)
{
    auto_bench struct bench bench;
    char content[5001];
    memset(content, 'x', 5000);
    content[5000] = '\0';
    bench_open(&bench);
    add_long_file(&bench, content, 3 * TAR_BLOCK, 6 * TAR_BLOCK);
    bench.bundle.frame_count = 2;
    check_fails(&bench, 2, -EBADMSG, "a file without its end");
    add_long_file(&bench, content, 3 * TAR_BLOCK, 6 * TAR_BLOCK);
    bench.frames[2].continues = false;
    check_fails(&bench, 3, -EBADMSG, "a frame that does not know what it continues");
}

int main(void)
{
    a_tree_is_unpacked();
    many_frames_are_unpacked_by_many_threads();
    a_long_file_goes_through_several_frames();
    nothing_leaves_the_directory();
    damaged_payloads_are_refused();
    cut_files_are_refused();
    return tap_done();
}
