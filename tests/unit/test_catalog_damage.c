/* payload/client/catalog: everything in a catalog is checked, and nothing crashes it. */
#include "tests/unit/catalog_reader.h"

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

/* A catalog with one file, in whose row something was changed; the caller closes it. */
static struct catalog *open_with(const char *assignment)
{
    struct catalog_builder builder;
    builder_begin(&builder, "2.5", 7);
    builder_entry(&builder, "/file", 0100644, 7, 4, DIGEST);
    builder_set(&builder, "/file", assignment);
    return open_built(&builder);
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
        auto_catalog struct catalog *catalog = open_with(assignments[index]);
        struct catalog_entry entry;
        CHECK(find(catalog, "/file", &entry) == -EIO, "%s", assignments[index]);
    }
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
        auto_catalog struct catalog *catalog = open_with(assignments[index]);
        struct collected none = {.left = -1};
        CHECK(list(catalog, "", 0, &none) == -EIO && none.names[0] == '\0', "%.40s",
              assignments[index]);
    }
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

int main(void)
{
    what_is_no_database_is_refused();
    values_no_file_could_have_are_damage();
    a_name_that_could_lead_elsewhere_is_damage();
    a_damaged_file_is_an_error_and_no_crash();
    return tap_done();
}
