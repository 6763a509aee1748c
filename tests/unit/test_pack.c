/* packer/pack: a tree goes in, and the same tree comes out of the file that results. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "packer/pack.h"
#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "stub/unpack.h"
#include "tests/unit/tap.h"

/* A directory with a small tree to pack, and paths below it. */
struct bench {
    char path[32];
    char tree[64];
    char output[64];
    int directory;
};

static const char *const excludes[] = {"dist/var/lib/cvmfs/*", "*/.build-id*"};

static void write_file(const struct bench *bench, const char *path, const char *content,
                       mode_t mode)
{
    if (file_replace(bench->directory, path, content, strlen(content), mode) < 0)
        abort();
}

static void bench_open(struct bench *bench)
{
    (void)strcpy(bench->path, "/tmp/test_pack.XXXXXX");
    if (!mkdtemp(bench->path))
        abort();
    (void)snprintf(bench->tree, sizeof bench->tree, "%s/tree", bench->path);
    (void)snprintf(bench->output, sizeof bench->output, "%s/FILE", bench->path);
    bench->directory = open(bench->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_make(bench->directory, "tree/lib/.build-id/00", 0755) < 0 ||
        directory_make(bench->directory, "tree/var/lib/cvmfs/cache", 0755) < 0 ||
        directory_make(bench->directory, "out", 0755) < 0 ||
        symlinkat("lib", bench->directory, "tree/lib64") < 0)
        abort();
    write_file(bench, "tree/lib/libfirst.so", "first", 0755);
    write_file(bench, "tree/lib/.build-id/00/x", "excluded", 0644);
    write_file(bench, "tree/var/lib/cvmfs/cache/object", "excluded", 0644);
    write_file(bench, "tree/zz b\xc3\xbc", "a name with a blank", 0640);
    write_file(bench, "program", "#!/bin/sh\n", 0755);
}

static void bench_close(struct bench *bench)
{
    (void)close(bench->directory);
    (void)directory_remove(AT_FDCWD, bench->path);
}

#define auto_bench __attribute__((cleanup(bench_close)))

/* The stub of the build where there is one, else any program: both are ELF files. */
static const char *stub_path(void)
{
    static char path[4096];
    const char *build = getenv("CVMFSEXEC_BUILD");
    (void)snprintf(path, sizeof path, "%s/stub", build ? build : "build");
    return access(path, R_OK) == 0 ? path : "/proc/self/exe";
}

static int pack(const struct bench *bench, unsigned threads, struct pack_result *result,
                struct error *error)
{
    char program[64];
    (void)snprintf(program, sizeof program, "%s/program", bench->path);
    const struct pack_input inputs[] = {{.path = bench->tree, .name = "dist"},
                                        {.path = program, .name = "cvmfsexec"}};
    const struct pack_options options = {.stub = stub_path(),
                                         .output = bench->output,
                                         .disttype = "standard",
                                         .machtype = "test-x86_64",
                                         .inputs = inputs,
                                         .input_count = 2,
                                         .excludes = excludes,
                                         .exclude_count = 2,
                                         .level = 1,
                                         .threads = threads};
    return pack_bundle(&options, result, error);
}

/* Reads FILE's bundle and unpacks it to "out". */
static int unpack(const struct bench *bench, struct bundle *bundle, struct error *error)
{
    struct stat status;
    auto_fd int file = open(bench->output, O_RDONLY | O_CLOEXEC);
    auto_fd int out = openat(bench->directory, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 || out < 0 || fstat(file, &status) < 0)
        return -errno;
    const struct image image = {.fd = file, .length = (uint64_t)status.st_size};
    int result = bundle_read(&image, bundle, error);
    const struct unpack_options options = {.file = file, .directory = out};
    return result < 0 ? result : unpack_bundle(bundle, &options, error);
}

static bool has_content(const struct bench *bench, const char *path, const char *content)
{
    auto_text struct text found = TEXT_INIT;
    return file_load(bench->directory, path, 1 << 26, &found) == 0 &&
           found.length == strlen(content) && memcmp(found.bytes, content, found.length) == 0;
}

static bool exists(const struct bench *bench, const char *path)
{
    return faccessat(bench->directory, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void what_is_packed_comes_out_again(void)
{
    auto_bench struct bench bench;
    auto_bundle struct bundle bundle = BUNDLE_INIT;
    struct pack_result result;
    struct error error = ERROR_INIT;
    bench_open(&bench);
    CHECK(pack(&bench, 2, &result, &error) == 0, "a tree is packed: %s", error.message);
    CHECK(unpack(&bench, &bundle, &error) == 0, "and unpacked: %s", error.message);
    CHECK(has_content(&bench, "out/cvmfsexec", "#!/bin/sh\n") &&
              has_content(&bench, "out/dist/lib64/libfirst.so", "first") &&
              has_content(&bench, "out/dist/zz b\xc3\xbc", "a name with a blank"),
          "files and links are as they were");
    CHECK(!exists(&bench, "out/dist/lib/.build-id"), "an excluded directory is left out");
    CHECK(exists(&bench, "out/dist/var/lib/cvmfs") &&
              !exists(&bench, "out/dist/var/lib/cvmfs/cache"),
          "a directory whose contents are excluded stays");
    CHECK(bundle.entry_count == 9 && result.entries == 9, "entries are counted");
    CHECK(strcmp(bundle.machtype, "test-x86_64") == 0 &&
              strcmp(bundle.version, CVMFSEXEC_VERSION) == 0,
          "the note has the machine type and the version");
    CHECK(result.frames == bundle.frame_count && result.payload_bytes == bundle.payload_size,
          "the result says what the note says");
    struct stat status;
    CHECK(stat(bench.output, &status) == 0 && (status.st_mode & 07777) == 0755 &&
              (uint64_t)status.st_size == result.file_bytes,
          "FILE is executable and has the size in the result");
}

/* Several blocks' worth of content that compresses a little. */
static void write_large_file(const struct bench *bench, const char *path, size_t size,
                             uint64_t seed)
{
    auto_free char *bytes = malloc(size + 1);
    if (!bytes)
        abort();
    for (size_t i = 0; i < size; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (char)('a' + (seed >> 61) + (i >> 10) % 8);
    }
    bytes[size] = '\0';
    write_file(bench, path, bytes, 0644);
}

static void the_same_tree_gives_the_same_bytes(void)
{
    auto_bench struct bench bench;
    auto_text struct text first = TEXT_INIT;
    auto_text struct text second = TEXT_INIT;
    struct pack_result result;
    bench_open(&bench);
    for (unsigned i = 0; i < 4; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "tree/lib/large%u", i);
        write_large_file(&bench, name, 5 << 20, i);
    }
    int packed = pack(&bench, 1, &result, NULL);
    CHECK(packed == 0 && result.frames >= 3 &&
              file_load(AT_FDCWD, bench.output, 1 << 26, &first) == 0,
          "20 MiB are packed by one thread into %u frames", result.frames);
    CHECK(pack(&bench, 5, NULL, NULL) == 0 &&
              file_load(AT_FDCWD, bench.output, 1 << 26, &second) == 0,
          "and by five threads, over the older file");
    CHECK(first.length == second.length && memcmp(first.bytes, second.bytes, first.length) == 0,
          "both results are the same");
}

static void a_time_can_be_prescribed(void)
{
    auto_bench struct bench bench;
    auto_text struct text first = TEXT_INIT;
    auto_text struct text second = TEXT_INIT;
    bench_open(&bench);
    (void)setenv("SOURCE_DATE_EPOCH", "1600000000", 1);
    (void)pack(&bench, 1, NULL, NULL);
    (void)file_load(AT_FDCWD, bench.output, 1 << 26, &first);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    (void)utimensat(bench.directory, "tree/lib/libfirst.so", times, 0);
    (void)pack(&bench, 1, NULL, NULL);
    (void)file_load(AT_FDCWD, bench.output, 1 << 26, &second);
    CHECK(first.length > 0 && first.length == second.length &&
              memcmp(first.bytes, second.bytes, first.length) == 0,
          "with SOURCE_DATE_EPOCH the times of the tree do not count");
    struct error error = ERROR_INIT;
    (void)setenv("SOURCE_DATE_EPOCH", "yesterday", 1);
    CHECK(pack(&bench, 1, NULL, &error) == -EINVAL, "a bad one is an error: %s", error.message);
    (void)unsetenv("SOURCE_DATE_EPOCH");
}

static void a_file_longer_than_a_frame_is_cut(void)
{
    auto_bench struct bench bench;
    auto_bundle struct bundle bundle = BUNDLE_INIT;
    auto_text struct text before = TEXT_INIT;
    auto_text struct text after = TEXT_INIT;
    struct error error = ERROR_INIT;
    bool continued = false;
    bench_open(&bench);
    write_large_file(&bench, "tree/lib/large", 40 << 20, 1);
    CHECK(pack(&bench, 2, NULL, &error) == 0 && unpack(&bench, &bundle, &error) == 0,
          "a file of 40 MiB is packed and unpacked: %s", error.message);
    for (uint32_t i = 0; i < bundle.frame_count; i++)
        continued |= bundle.frames[i].continues;
    CHECK(continued, "one of its frames continues another");
    CHECK(file_load(bench.directory, "tree/lib/large", 1 << 26, &before) == 0 &&
              file_load(bench.directory, "out/dist/lib/large", 1 << 26, &after) == 0 &&
              before.length == after.length &&
              memcmp(before.bytes, after.bytes, before.length) == 0,
          "it is the same file");
}

static void long_names_survive(void)
{
    auto_bench struct bench bench;
    auto_bundle struct bundle bundle = BUNDLE_INIT;
    struct error error = ERROR_INIT;
    char path[512] = "tree";
    char unpacked[sizeof path + 16];
    bench_open(&bench);
    for (int i = 0; i < 8; i++)
        (void)strcat(path, "/a-directory-with-a-name-of-forty-characters");
    (void)directory_make(bench.directory, path, 0755);
    (void)strcat(path, "/file");
    write_file(&bench, path, "deep", 0644);
    (void)snprintf(unpacked, sizeof unpacked, "out/dist%s", path + 4);
    CHECK(pack(&bench, 1, NULL, &error) == 0 && unpack(&bench, &bundle, &error) == 0,
          "a name of 360 characters is packed and unpacked: %s", error.message);
    CHECK(has_content(&bench, unpacked, "deep"), "and its file is where it was");
}

/* Packs with one thing wrong; FILE must not appear, nor anything beside it. */
static void check_refused(const struct bench *bench, const struct pack_options *options,
                          const char *what)
{
    struct error error = ERROR_INIT;
    int result = pack_bundle(options, NULL, &error);
    CHECK(result < 0 && error.message[0] && access(bench->output, F_OK) < 0, "%s: %s", what,
          error.message);
}

static void what_cannot_work_is_refused(void)
{
    auto_bench struct bench bench;
    char program[64];
    bench_open(&bench);
    (void)snprintf(program, sizeof program, "%s/program", bench.path);
    const struct pack_input tree = {.path = bench.tree, .name = "dist"};
    struct pack_input inputs[] = {tree, {.path = program, .name = "cvmfsexec"}, tree};
    const struct pack_options good = {.stub = stub_path(),
                                      .output = bench.output,
                                      .disttype = "standard",
                                      .machtype = "test-x86_64",
                                      .inputs = inputs,
                                      .input_count = 2,
                                      .level = 1,
                                      .threads = 1};
    struct pack_options options = good;
    options.input_count = 1;
    check_refused(&bench, &options, "a tree without a program");
    options = good;
    options.input_count = 3;
    check_refused(&bench, &options, "the same name twice");
    options = good;
    options.disttype = "other";
    check_refused(&bench, &options, "an unknown disttype");
    options = good;
    options.machtype = "a-machine-type-with-a-name-that-is-longer-than-the-note-has-room-for";
    check_refused(&bench, &options, "an endless machine type");
    options = good;
    options.stub = "/etc/passwd";
    check_refused(&bench, &options, "a stub that is no program");
    options = good;
    options.level = 100;
    check_refused(&bench, &options, "a level zstd does not have");
    options = good;
    inputs[0].name = "../dist";
    check_refused(&bench, &options, "a name that leads away");
    inputs[0].name = "dist";
    inputs[0].path = "/nonexistent";
    check_refused(&bench, &options, "a tree that is not there");
    inputs[0].path = "/dev/null";
    check_refused(&bench, &options, "a device");
}

static void a_bundle_is_no_stub(void)
{
    auto_bench struct bench bench;
    struct error error = ERROR_INIT;
    char program[64];
    char second[64];
    bench_open(&bench);
    (void)pack(&bench, 1, NULL, NULL);
    (void)snprintf(program, sizeof program, "%s/program", bench.path);
    (void)snprintf(second, sizeof second, "%s/second", bench.path);
    const struct pack_input input = {.path = program, .name = "cvmfsexec"};
    const struct pack_options options = {.stub = bench.output,
                                         .output = second,
                                         .disttype = "standard",
                                         .machtype = "test-x86_64",
                                         .inputs = &input,
                                         .input_count = 1,
                                         .threads = 1};
    CHECK(pack_bundle(&options, NULL, &error) == -EINVAL && access(second, F_OK) < 0,
          "a bundle cannot carry a second one: %s", error.message);
}

int main(void)
{
    what_is_packed_comes_out_again();
    the_same_tree_gives_the_same_bytes();
    a_time_can_be_prescribed();
    a_file_longer_than_a_frame_is_cut();
    long_names_survive();
    what_cannot_work_is_refused();
    a_bundle_is_no_stub();
    return tap_done();
}
