/* payload/client/catalog: entries and directories, names, nested catalogs, chunks, attributes and
 * hard links are found, by many threads too. */
#include <pthread.h>
#include <sys/stat.h>

#include "tests/unit/catalog_reader.h"

#define OTHER_DIGEST "x'ff0102030405060708090a0b0c0d0e0f10111213'"
#define HASH_HEX "000102030405060708090a0b0c0d0e0f10111213"

static void entries_are_found_by_path_and_by_row(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_entry(&builder, "", 040755, 4096, 1, NULL);
    builder_entry(&builder, "/directory", 040711, 4096, 3, NULL);
    builder_entry(&builder, "/directory/link", 0120777, 6, 12, NULL);
    builder_set(&builder, "/directory/link", "symlink = '../far'");
    auto_catalog struct catalog *catalog = open_built(&builder);
    struct catalog_entry entry;
    struct path_hash root;
    CHECK(find(catalog, "/directory/link", &entry) == 0 && entry.row == 3 && S_ISLNK(entry.mode) &&
              hash_is_null(&entry.hash),
          "a link is found by its path, and has no hash");
    CHECK(find(catalog, "", &entry) == 0 && entry.parent.first == 0 && entry.parent.second == 0,
          "the root is found by the empty path, and its parent is 0,0");
    CHECK(catalog_find_row(catalog, 2, &entry) == 0 && path_hash_compute("", 0, &root) == 0 &&
              entry.parent.first == root.first && entry.parent.second == root.second &&
              entry.flags & CATALOG_FLAG_NESTED_MOUNTPOINT,
          "a row tells its parent and flags");
    CHECK(find(catalog, "/nothing", &entry) == -ENOENT &&
              catalog_find_row(catalog, 4, &entry) == -ENOENT &&
              catalog_find_row(catalog, UINT64_MAX, &entry) == -ENOENT,
          "what is not there is not found");
    auto_text struct text text = TEXT_INIT;
    CHECK(catalog_name(catalog, 2, &text) == 0 && strcmp(text.bytes, "directory") == 0,
          "a row has its name");
    CHECK(catalog_symlink(catalog, 3, &text) == 0 && strcmp(text.bytes, "directory../far") == 0,
          "a link has its text, which is appended");
    CHECK(catalog_name(catalog, 9, &text) == -ENOENT &&
              catalog_symlink(catalog, 9, &text) == -ENOENT,
          "a missing row has neither");
}

static void flags_tell_algorithm_and_compression(void)
{
    static const struct {
        int flags;
        int algorithm;
        bool compressed;
    } rows[] = {{4, HASH_SHA1, true},
                {260, HASH_RIPEMD160, true},
                {516, HASH_SHAKE128, true},
                {2052, HASH_SHA1, false},
                {2052 + 512, HASH_SHAKE128, false}};
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        char path[16];
        (void)snprintf(path, sizeof path, "/%zu", index);
        builder_entry(&builder, path, 0100644, 1, rows[index].flags, DIGEST);
    }
    auto_catalog struct catalog *catalog = open_built(&builder);
    for (size_t index = 0; index < sizeof rows / sizeof rows[0]; index++) {
        struct catalog_entry entry = {.row = 0};
        int result = catalog_find_row(catalog, index + 1, &entry);
        CHECK(result == 0 && entry.hash.algorithm == rows[index].algorithm &&
                  entry.chunk_algorithm == rows[index].algorithm &&
                  entry.compressed == rows[index].compressed,
              "flags %d", rows[index].flags);
    }
}

static void values_that_can_be_borne_are(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_entry(&builder, "/file", 0100644, 7, 4, DIGEST);
    builder_set(&builder, "/file", "mtime = -86400, mtimens = NULL, hardlinks = 0, uid = -2");
    builder_entry(&builder, "/other", 0100644, 7, 4, DIGEST);
    builder_set(&builder, "/other", "mtimens = 1000000000, hardlinks = (-1 << 32) | 2");
    auto_catalog struct catalog *catalog = open_built(&builder);
    struct catalog_entry entry = {.row = 0};
    CHECK(find(catalog, "/file", &entry) == 0 && entry.mtime == -86400 &&
              entry.mtime_nanoseconds == 0 && entry.links == 1 && entry.uid == (uint32_t)-2,
          "a time before 1970, no nanoseconds, no links, the user nobody");
    CHECK(find(catalog, "/other", &entry) == 0 && entry.mtime_nanoseconds == 0 &&
              entry.links == 2 && entry.hardlink_group == UINT32_MAX,
          "nanoseconds over a second count as unknown; the highest group");
}

static void a_directory_is_listed_whole_or_in_slices(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_entry(&builder, "", 040755, 4096, 1, NULL);
    builder_entry(&builder, "/z", 0100644, 1, 4, DIGEST);
    builder_entry(&builder, "/d", 040755, 4096, 1, NULL);
    builder_entry(&builder, "/d/inner", 0100644, 1, 4, DIGEST);
    builder_entry(&builder, "/.cvmfs", 040700, 4096, 3 | CATALOG_FLAG_HIDDEN, NULL);
    builder_entry(&builder, "/l", 0120777, 1, 12, NULL);
    builder_set(&builder, "/l", "symlink = 'z'");
    builder_entry(&builder, "/a", 0100644, 1, 4, DIGEST);
    auto_catalog struct catalog *catalog = open_built(&builder);

    struct collected all = {.left = -1};
    CHECK(list(catalog, "", 0, &all) == 0 && strcmp(all.names, "z d l>z a ") == 0,
          "in the order of rows, without hidden ones and without the root itself: %s", all.names);
    struct collected slice = {.left = 2};
    CHECK(list(catalog, "", 0, &slice) == 1 && strcmp(slice.names, "z d ") == 0,
          "a visitor stops the listing with its own value");
    slice.left = 1;
    CHECK(list(catalog, "", slice.last, &slice) == 1 && strcmp(slice.names, "z d l>z ") == 0,
          "the next slice goes on behind the last row");
    CHECK(list(catalog, "", UINT64_MAX, &slice) == 0 && list(catalog, "/none", 0, &slice) == 0 &&
              strcmp(slice.names, "z d l>z ") == 0,
          "behind all rows, and in what is no directory, there is nothing");
}

static void names_are_bytes(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_entry(&builder, "/file", 0100644, 7, 4, DIGEST);
    builder_set(&builder, "/file", "name = cast(x'66ff80e9' AS TEXT)");
    auto_catalog struct catalog *catalog = open_built(&builder);
    auto_text struct text name = TEXT_INIT;
    CHECK(catalog_name(catalog, 1, &name) == 0 && name.length == 4 &&
              memcmp(name.bytes, "f\xff\x80\xe9", 4) == 0,
          "a name that is not UTF-8 comes as it is");
}

static void nested_catalogs_are_found_by_their_path(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_run(&builder, "INSERT INTO nested_catalogs VALUES ('/n', '" HASH_HEX "-rmd160', 9000)");
    builder_run(&builder, "INSERT INTO nested_catalogs VALUES ('/bad', 'hash', 1)");
    builder_run(&builder, "INSERT INTO bind_mountpoints VALUES ('/b', '" HASH_HEX "', NULL)");
    auto_catalog struct catalog *catalog = open_built(&builder);
    struct hash hash;
    uint64_t size = 1;
    bool bind = true;
    CHECK(catalog_nested(catalog, "/n/x", 2, &hash, &size, &bind) == 0 &&
              hash.algorithm == HASH_RIPEMD160 && size == 9000 && !bind,
          "a nested catalog has a hash and a size");
    CHECK(catalog_nested(catalog, "/b", 2, &hash, &size, &bind) == 0 &&
              hash.algorithm == HASH_SHA1 && size == 0 && bind,
          "so has a bind mountpoint, here without a size");
    CHECK(catalog_nested(catalog, "/n/x", 4, &hash, &size, &bind) == -ENOENT,
          "a path below is no mountpoint");
    CHECK(catalog_nested(catalog, "/bad", 4, &hash, &size, &bind) == -EIO,
          "what is no hash is damage");
}

static void old_nested_catalogs_have_no_size(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 0);
    builder_run(&builder, "INSERT INTO nested_catalogs VALUES ('/n', '" HASH_HEX "')");
    auto_catalog struct catalog *catalog = open_built(&builder);
    struct hash hash;
    uint64_t size = 1;
    bool bind = true;
    CHECK(catalog_nested(catalog, "/n", 2, &hash, &size, &bind) == 0 && size == 0 && !bind,
          "revision 0 tells no size");
    CHECK(catalog_nested(catalog, "/b", 2, &hash, &size, &bind) == -ENOENT,
          "and has no bind mountpoints");
}

static int chunks_of(const char *const rows[][3], size_t row_count, struct catalog_chunk **chunks,
                     size_t *count)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_entry(&builder, "/file", 0100644, 30, 68 + 512 + 2048, NULL);
    for (size_t index = 0; index < row_count; index++)
        builder_chunk(&builder, "/file", atoi(rows[index][0]), atoi(rows[index][1]),
                      rows[index][2]);
    auto_catalog struct catalog *catalog = open_built(&builder);
    struct catalog_entry entry;
    int result = find(catalog, "/file", &entry);
    return result < 0 ? result : catalog_chunks(catalog, &entry, chunks, count);
}

static void chunks_come_in_order(void)
{
    static const char *const rows[][3] = {{"20", "10", OTHER_DIGEST}, {"0", "20", DIGEST}};
    auto_free struct catalog_chunk *chunks = NULL;
    size_t count = 0;
    CHECK(chunks_of(rows, 2, &chunks, &count) == 0 && count == 2, "a file has its chunks");
    CHECK(count == 2 && chunks[0].offset == 0 && chunks[0].size == 20 && chunks[1].offset == 20 &&
              chunks[1].size == 10 && chunks[1].hash.digest[0] == 0xff &&
              chunks[1].hash.algorithm == HASH_SHAKE128,
          "by their offsets, with the algorithm of the file");
}

static void chunks_with_gaps_or_overlaps_are_damage(void)
{
    static const struct {
        const char *why;
        const char *rows[2][3];
        size_t count;
    } cases[] = {
        {"no chunk at all", {{"0", "0", DIGEST}}, 0},
        {"a missing beginning", {{"10", "20", DIGEST}}, 1},
        {"a missing end", {{"0", "20", DIGEST}}, 1},
        {"a gap", {{"0", "10", DIGEST}, {"11", "19", DIGEST}}, 2},
        {"an overlap", {{"0", "20", DIGEST}, {"10", "20", DIGEST}}, 2},
        {"more than the file", {{"0", "20", DIGEST}, {"20", "20", DIGEST}}, 2},
        {"a chunk of nothing", {{"0", "0", DIGEST}, {"0", "30", DIGEST}}, 2},
        {"a negative size", {{"0", "-30", DIGEST}, {"0", "30", DIGEST}}, 2},
        {"no hash", {{"0", "30", "NULL"}}, 1},
        {"half a hash", {{"0", "30", "x'0011'"}}, 1},
    };
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        struct catalog_chunk *chunks = NULL;
        size_t count = 0;
        CHECK(chunks_of(cases[index].rows, cases[index].count, &chunks, &count) == -EIO && !chunks,
              "%s", cases[index].why);
        free(chunks);
    }
}

static void attributes_come_raw(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_entry(&builder, "/with", 0100644, 1, 4, DIGEST);
    builder_set(&builder, "/with", "xattr = x'0101016b00'");
    builder_entry(&builder, "/without", 0100644, 1, 4, DIGEST);
    auto_catalog struct catalog *catalog = open_built(&builder);
    auto_text struct text blob = TEXT_INIT;
    CHECK(catalog_xattrs(catalog, 1, &blob) == 0 && blob.length == 5 && blob.bytes[0] == 1,
          "the blob of a row is appended");
    CHECK(catalog_xattrs(catalog, 2, &blob) == 0 && blob.length == 5, "a row without adds nothing");
    CHECK(catalog_xattrs(catalog, 3, &blob) == -ENOENT, "a missing row says so");
}

static void a_hard_link_group_has_a_lowest_row(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    static const char *const groups[][2] = {{"/a", "7"}, {"/b", "3"},          {"/c", "0"},
                                            {"/d", "7"}, {"/e", "4294967295"}, {"/f", "3"}};
    for (size_t index = 0; index < sizeof groups / sizeof groups[0]; index++) {
        char assignment[64];
        (void)snprintf(assignment, sizeof assignment, "hardlinks = (%s << 32) | 2",
                       groups[index][1]);
        builder_entry(&builder, groups[index][0], 0100644, 1, 4, DIGEST);
        builder_set(&builder, groups[index][0], assignment);
    }
    auto_catalog struct catalog *catalog = open_built(&builder);
    uint64_t seven = 0;
    uint64_t three = 0;
    uint64_t highest = 0;
    uint64_t none = 0;
    CHECK(catalog_hardlink_row(catalog, 7, &seven) == 0 && seven == 1 &&
              catalog_hardlink_row(catalog, 3, &three) == 0 && three == 2 &&
              catalog_hardlink_row(catalog, UINT32_MAX, &highest) == 0 && highest == 5,
          "the first row of each group stands for it");
    CHECK(catalog_hardlink_row(catalog, 5, &none) == -ENOENT &&
              catalog_hardlink_row(catalog, 0, &none) == -ENOENT,
          "other groups are not there");
}

struct reader {
    pthread_t thread;
    struct catalog **catalogs;
    unsigned seed;
    int wrong;
};

#define SHARED_CATALOGS 20

static void *read_at_random(void *argument)
{
    struct reader *reader = argument;
    unsigned seed = reader->seed;
    for (int round = 0; round < 3000; round++) {
        seed = seed * 1103515245u + 12345u;
        unsigned number = 1 + (seed >> 8) % 199;
        char path[32];
        (void)snprintf(path, sizeof path, "/file-%u", number);
        struct catalog_entry entry = {.row = 0};
        int result = find(reader->catalogs[(seed >> 20) % SHARED_CATALOGS], path, &entry);
        reader->wrong += result != 0 || entry.size != number;
    }
    return NULL;
}

static void threads_share_more_catalogs_than_stay_warm(void)
{
    auto_fd int fd = build_many(200);
    struct catalog *catalogs[SHARED_CATALOGS] = {NULL};
    struct error error = ERROR_INIT;
    int result = 0;
    for (size_t index = 0; index < SHARED_CATALOGS && result == 0; index++)
        result = catalog_open(fd, &catalogs[index], &error);
    if (!CHECK(result == 0, "one file opens many times"))
        return;
    struct reader readers[4];
    for (unsigned index = 0; index < 4; index++) {
        readers[index] = (struct reader){.catalogs = catalogs, .seed = index};
        result |= pthread_create(&readers[index].thread, NULL, read_at_random, &readers[index]);
    }
    int wrong = 0;
    for (size_t index = 0; index < 4 && result == 0; index++) {
        (void)pthread_join(readers[index].thread, NULL);
        wrong += readers[index].wrong;
    }
    CHECK(result == 0 && wrong == 0, "every thread finds every entry");
    for (size_t index = 0; index < SHARED_CATALOGS; index++)
        catalog_close(catalogs[index]);
}

int main(void)
{
    entries_are_found_by_path_and_by_row();
    flags_tell_algorithm_and_compression();
    values_that_can_be_borne_are();
    a_directory_is_listed_whole_or_in_slices();
    names_are_bytes();
    nested_catalogs_are_found_by_their_path();
    old_nested_catalogs_have_no_size();
    chunks_come_in_order();
    chunks_with_gaps_or_overlaps_are_damage();
    attributes_come_raw();
    a_hard_link_group_has_a_lowest_row();
    threads_share_more_catalogs_than_stay_warm();
    return tap_done();
}
