/* payload/client/catalog: every schema is read, everything in it is checked, nothing crashes it. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/stat.h>

#include "payload/base/scope.h"
#include "tests/unit/catalog_builder.h"
#include "tests/unit/tap.h"

#define DIGEST "x'000102030405060708090a0b0c0d0e0f10111213'"
#define OTHER_DIGEST "x'ff0102030405060708090a0b0c0d0e0f10111213'"
#define HASH_HEX "000102030405060708090a0b0c0d0e0f10111213"

static void close_catalog(struct catalog **catalog)
{
    catalog_close(*catalog);
}
#define auto_catalog __attribute__((cleanup(close_catalog)))

/* Opens what was built; NULL with a failed check where that does not work. */
static struct catalog *open_built(struct catalog_builder *builder)
{
    auto_fd int fd = builder_finish(builder);
    struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;
    if (!CHECK(fd >= 0 && catalog_open(fd, &catalog, &error) == 0, "a catalog opens"))
        printf("# %s\n", error.message);
    return catalog;
}

static int find(struct catalog *catalog, const char *path, struct catalog_entry *entry)
{
    struct path_hash hash;
    if (!catalog || path_hash_compute(path, strlen(path), &hash) < 0)
        return -EINVAL;
    return catalog_find(catalog, &hash, entry);
}

static int open_failure(struct catalog_builder *builder, struct error *error)
{
    auto_fd int fd = builder_finish(builder);
    struct catalog *catalog = NULL;
    int result = fd < 0 ? -EBADF : catalog_open(fd, &catalog, error);
    catalog_close(catalog);
    return result;
}

static void every_schema_is_read(void)
{
    static const struct {
        const char *schema;
        int revision;
    } schemas[] = {{"1.0", 0}, {"1.2", 0}, {"2.4", 0}, {"2.5", 0}, {"2.5", 1}, {"2.5", 2},
                   {"2.5", 3}, {"2.5", 4}, {"2.5", 5}, {"2.5", 6}, {"2.5", 7}, {"2.5", 9}};
    for (size_t index = 0; index < sizeof schemas / sizeof schemas[0]; index++) {
        const char *schema = schemas[index].schema;
        int revision = schemas[index].revision;
        bool legacy = schema[0] == '1';
        bool with_xattrs = !legacy && revision >= 2;
        struct catalog_builder builder;
        builder_begin(&builder, schema, revision);
        builder_entry(&builder, "", 040755, 4096, 1, NULL);
        builder_entry(&builder, "/file", 0100644, 7, 4, DIGEST);
        if (!legacy)
            builder_set(&builder, "/file", "hardlinks = (5 << 32) | 3, uid = 1001, gid = 1002");
        if (with_xattrs)
            builder_set(&builder, "/file", "xattr = x'0101016bff'");
        if (revision >= 7)
            builder_set(&builder, "/file", "mtimens = 123456789");
        builder_property(&builder, "revision", "12");
        auto_catalog struct catalog *catalog = open_built(&builder);
        struct catalog_entry entry = {.row = 0};
        int result = find(catalog, "/file", &entry);
        CHECK(result == 0 && entry.row == 2 && entry.size == 7 && entry.mode == 0100644 &&
                  entry.mtime == 1700000000 && entry.hash.algorithm == HASH_SHA1 &&
                  entry.hash.digest[19] == 0x13 && entry.compressed,
              "schema %s r%d: a file has what every schema knows", schema, revision);
        CHECK(entry.links == (legacy ? 1 : 3) && entry.hardlink_group == (legacy ? 0 : 5) &&
                  entry.uid == (legacy ? 0 : 1001) && entry.gid == (legacy ? 0 : 1002),
              "schema %s r%d: hard links and owner", schema, revision);
        CHECK(entry.has_xattrs == with_xattrs &&
                  entry.mtime_nanoseconds == (revision >= 7 ? 123456789 : 0),
              "schema %s r%d: attributes and nanoseconds", schema, revision);
        CHECK(catalog && catalog_revision(catalog) == 12 && catalog_ttl(catalog) == 240 &&
                  catalog_last_row(catalog) == 2 && strcmp(catalog_root_prefix(catalog), "") == 0,
              "schema %s r%d: properties and defaults", schema, revision);
        CHECK(catalog && catalog_statistics(catalog)->counts_xattrs == with_xattrs,
              "schema %s r%d: whether attributes are counted", schema, revision);
    }
}

static void other_schemas_are_refused(void)
{
    static const char *const refused[] = {"2.0", "2.1", "2.6", "3.0", "2.41"};
    for (size_t index = 0; index < sizeof refused / sizeof refused[0]; index++) {
        struct catalog_builder builder;
        struct error error = ERROR_INIT;
        builder_begin(&builder, "2.5", 7);
        builder_property(&builder, "schema", refused[index]);
        CHECK(open_failure(&builder, &error) == -EINVAL && strstr(error.message, "not supported"),
              "schema %s is refused by name", refused[index]);
    }
    struct catalog_builder builder;
    struct error error = ERROR_INIT;
    builder_begin(&builder, "2.5", 7);
    builder_property(&builder, "schema", "new");
    CHECK(open_failure(&builder, &error) == -EIO, "a schema that is no number is damage");
}

static void counters_are_read_by_their_names(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_property(&builder, "schema_revision", "7");
    builder_run(&builder, "INSERT INTO statistics VALUES ('self_future', 1), ('other', 2)");
    auto_catalog struct catalog *catalog = open_built(&builder);
    bool right = catalog != NULL;
    for (unsigned counter = 0; right && counter < COUNTER_COUNT; counter++)
        right = catalog_statistics(catalog)->self[counter] == 10 + counter &&
                catalog_statistics(catalog)->subtree[counter] == 100 + counter;
    CHECK(right, "all counters have their values, unknown ones do not matter");
}

static void a_new_revision_without_all_counters_is_refused(void)
{
    struct catalog_builder builder;
    struct error error = ERROR_INIT;
    builder_begin(&builder, "2.5", 5);
    builder_run(&builder, "DELETE FROM statistics WHERE counter = 'self_special'");
    CHECK(open_failure(&builder, &error) == -EIO, "revision 5 needs all counters");
    builder_begin(&builder, "2.5", 4);
    builder_run(&builder, "DELETE FROM statistics");
    CHECK(open_failure(&builder, &error) == 0, "revision 4 does not");
}

static void properties_are_read(void)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_property(&builder, "TTL", "900");
    builder_property(&builder, "root_prefix", "/nested/alpha");
    builder_property(&builder, "volatile", "1");
    builder_property(&builder, "voms_authz", "cms:/cms");
    auto_catalog struct catalog *catalog = open_built(&builder);
    CHECK(catalog && catalog_ttl(catalog) == 900 &&
              strcmp(catalog_root_prefix(catalog), "/nested/alpha") == 0 &&
              catalog_is_volatile(catalog) && strcmp(catalog_voms_authz(catalog), "cms:/cms") == 0,
          "TTL, root_prefix, volatile and voms_authz are told");
}

static void ill_formed_properties_are_damage(void)
{
    static const char *const properties[][2] = {
        {"revision", "-1"},      {"revision", "99999999999999999999"},
        {"TTL", "4294967296"},   {"TTL", "10s"},
        {"schema_revision", ""}, {"root_prefix", "nested"}};
    for (size_t index = 0; index < sizeof properties / sizeof properties[0]; index++) {
        struct catalog_builder builder;
        struct error error = ERROR_INIT;
        builder_begin(&builder, "2.5", 7);
        builder_property(&builder, properties[index][0], properties[index][1]);
        CHECK(open_failure(&builder, &error) == -EIO && strstr(error.message, properties[index][0]),
              "%s = \"%s\" is refused by name", properties[index][0], properties[index][1]);
    }
}

static void a_missing_table_is_named(void)
{
    static const char *const tables[] = {"catalog", "properties", "nested_catalogs", "chunks",
                                         "statistics"};
    for (size_t index = 0; index < sizeof tables / sizeof tables[0]; index++) {
        struct catalog_builder builder;
        struct error error = ERROR_INIT;
        builder_begin(&builder, "2.5", 7);
        builder_run(&builder, "DROP TABLE %s", tables[index]);
        CHECK(open_failure(&builder, &error) == -EIO && strstr(error.message, tables[index]),
              "without %s: %s", tables[index], error.message);
    }
    struct catalog_builder builder;
    struct error error = ERROR_INIT;
    builder_begin(&builder, "2.5", 7);
    builder_run(&builder, "ALTER TABLE catalog RENAME TO hidden;"
                          "CREATE VIEW catalog AS SELECT * FROM hidden");
    CHECK(open_failure(&builder, &error) == -EIO, "a view does not pass for the table");
}

static void what_is_no_database_is_refused(void)
{
    struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;
    auto_fd int empty = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(empty >= 0 && catalog_open(empty, &catalog, &error) == -EIO, "an empty file is refused");
    char garbage[4096];
    memset(garbage, 'g', sizeof garbage);
    CHECK(write(empty, garbage, sizeof garbage) == sizeof garbage &&
              catalog_open(empty, &catalog, &error) == -EIO,
          "garbage is refused: %s", error.message);
    auto_fd int directory = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(catalog_open(directory, &catalog, &error) == -EIO, "a directory is refused");
    CHECK(catalog_open(-1, &catalog, &error) == -EIO, "no descriptor is refused");
}

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

static void values_no_file_could_have_are_damage(void)
{
    static const char *const assignments[] = {
        "size = -1",
        "size = 'big'",
        "size = NULL",
        "mode = 0",
        "mode = -1",
        "mode = 4294967296 + 33188",
        "mode = 61440",
        "mtime = 'now'",
        "flags = -4",
        "flags = 4294967296",
        "flags = 4 + (3 << 8)",
        "flags = 4 + (2 << 11)",
        "hash = x'00'",
        "hash = x''",
        "hash = x'000102030405060708090a0b0c0d0e0f1011121314'",
        "hash = 'twenty letters here!'",
        "parent_1 = 'a'",
        "hardlinks = 1.5",
        "uid = x'00'",
    };
    for (size_t index = 0; index < sizeof assignments / sizeof assignments[0]; index++) {
        struct catalog_builder builder;
        builder_begin(&builder, "2.5", 7);
        builder_entry(&builder, "/file", 0100644, 7, 4, DIGEST);
        builder_set(&builder, "/file", assignments[index]);
        auto_catalog struct catalog *catalog = open_built(&builder);
        struct catalog_entry entry;
        CHECK(find(catalog, "/file", &entry) == -EIO, "%s", assignments[index]);
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

struct collected {
    char names[256];
    uint64_t last;
    int left;
};

static int collect(void *context, const struct catalog_entry *entry, const char *name,
                   size_t name_length, const char *symlink, size_t symlink_length)
{
    struct collected *collected = context;
    size_t used = strlen(collected->names);
    (void)snprintf(collected->names + used, sizeof collected->names - used, "%.*s%s%.*s ",
                   (int)name_length, name, symlink_length ? ">" : "", (int)symlink_length, symlink);
    collected->last = entry->row;
    return --collected->left == 0 ? 1 : 0;
}

static int list(struct catalog *catalog, const char *path, uint64_t after,
                struct collected *collected)
{
    struct path_hash hash;
    if (!catalog || path_hash_compute(path, strlen(path), &hash) < 0)
        return -EINVAL;
    return catalog_list(catalog, &hash, after, collect, collected);
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

static void a_name_that_could_lead_elsewhere_is_damage(void)
{
    char long_name[300] = "name = '";
    memset(long_name + 8, 'n', 256);
    (void)strcpy(long_name + 8 + 256, "'");
    const char *const assignments[] = {"name = '.'",
                                       "name = '..'",
                                       "name = 'a/b'",
                                       "name = cast(x'610062' AS TEXT)",
                                       "name = ''",
                                       "name = NULL",
                                       long_name,
                                       "symlink = cast(x'610062' AS TEXT)",
                                       "symlink = hex(zeroblob(4096))"};
    for (size_t index = 0; index < sizeof assignments / sizeof assignments[0]; index++) {
        struct catalog_builder builder;
        builder_begin(&builder, "2.5", 7);
        builder_entry(&builder, "/file", 0100644, 7, 4, DIGEST);
        builder_set(&builder, "/file", assignments[index]);
        auto_catalog struct catalog *catalog = open_built(&builder);
        struct collected none = {.left = -1};
        CHECK(list(catalog, "", 0, &none) == -EIO && none.names[0] == '\0', "%.40s",
              assignments[index]);
    }
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

static int build_many(int entries)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_entry(&builder, "", 040755, 4096, 1, NULL);
    for (int number = 1; number < entries; number++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/file-%d", number);
        builder_entry(&builder, path, 0100644, number, 4, DIGEST);
    }
    return builder_finish(&builder);
}

/* Whatever happens, it is a result: no crash, no endless loop. The sanitizer build watches. */
static void use_everything(int fd)
{
    struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;
    if (catalog_open(fd, &catalog, &error) < 0)
        return;
    struct collected some = {.left = -1};
    auto_text struct text text = TEXT_INIT;
    struct catalog_entry entry;
    uint64_t row = 0;
    (void)list(catalog, "", 0, &some);
    for (int number = 0; number < 200; number += 7) {
        char path[32];
        (void)snprintf(path, sizeof path, "/file-%d", number);
        (void)find(catalog, path, &entry);
        (void)catalog_find_row(catalog, (uint64_t)number, &entry);
        (void)catalog_name(catalog, (uint64_t)number, &text);
    }
    (void)catalog_hardlink_row(catalog, 1, &row);
    catalog_close(catalog);
}

static void a_damaged_file_is_an_error_and_no_crash(void)
{
    auto_fd int good = build_many(200);
    char bytes[65536];
    ssize_t size = good < 0 ? -1 : pread(good, bytes, sizeof bytes, 0);
    auto_fd int bad = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (!CHECK(size > 8192 && bad >= 0, "a catalog to damage"))
        return;
    unsigned seed = 1;
    bool written = true;
    for (int round = 0; round < 300; round++) {
        written &= pwrite(bad, bytes, (size_t)size, 0) == size;
        for (int hit = 0; hit < 1 + round % 20; hit++) {
            seed = seed * 1103515245u + 12345u;
            char value = (char)(seed >> 24);
            written &= pwrite(bad, &value, 1, (seed >> 4) % (unsigned)size) == 1;
        }
        use_everything(bad);
    }
    CHECK(written, "300 damaged catalogs were survived");
    for (ssize_t length = size; length > 0; length -= 777) {
        written &= ftruncate(bad, length) == 0;
        use_everything(bad);
    }
    CHECK(written, "so were shortened ones");
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
    every_schema_is_read();
    other_schemas_are_refused();
    counters_are_read_by_their_names();
    a_new_revision_without_all_counters_is_refused();
    properties_are_read();
    ill_formed_properties_are_damage();
    a_missing_table_is_named();
    what_is_no_database_is_refused();
    entries_are_found_by_path_and_by_row();
    flags_tell_algorithm_and_compression();
    values_no_file_could_have_are_damage();
    values_that_can_be_borne_are();
    a_directory_is_listed_whole_or_in_slices();
    a_name_that_could_lead_elsewhere_is_damage();
    names_are_bytes();
    nested_catalogs_are_found_by_their_path();
    old_nested_catalogs_have_no_size();
    chunks_come_in_order();
    chunks_with_gaps_or_overlaps_are_damage();
    attributes_come_raw();
    a_hard_link_group_has_a_lowest_row();
    a_damaged_file_is_an_error_and_no_crash();
    threads_share_more_catalogs_than_stay_warm();
    return tap_done();
}
