/* Catalogs that were built for a test, opened and asked. */
#ifndef CVMFSEXEC_TESTS_CATALOG_READER_H
#define CVMFSEXEC_TESTS_CATALOG_READER_H

#include <errno.h>

#include "payload/base/scope.h"
#include "tests/unit/catalog_builder.h"
#include "tests/unit/tap.h"

#define DIGEST "x'000102030405060708090a0b0c0d0e0f10111213'"

static inline void close_catalog(struct catalog **catalog)
{
    catalog_close(*catalog);
}
#define auto_catalog __attribute__((cleanup(close_catalog)))

/* Opens what was built; NULL with a failed check where that does not work. */
static inline struct catalog *open_built(struct catalog_builder *builder)
{
    auto_fd int fd = builder_finish(builder);
    struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;
    if (!CHECK(fd >= 0 && catalog_open(fd, &catalog, &error) == 0, "a catalog opens"))
        printf("# %s\n", error.message);
    return catalog;
}

/* A catalog of a root directory and files /file-1, /file-2, ..., whose sizes are their numbers. A
 * descriptor, as of builder_finish. */
static inline int build_many(int entries)
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

static inline int find(struct catalog *catalog, const char *path, struct catalog_entry *entry)
{
    struct path_hash hash;
    if (!catalog || path_hash_compute(path, strlen(path), &hash) < 0)
        return -EINVAL;
    return catalog_find(catalog, &hash, entry);
}

/* What a listing has shown; it is stopped when as many entries as were left have been seen. */
struct collected {
    char names[256];
    uint64_t last;
    int left;
};

static inline int collect(void *context, const struct catalog_entry *entry, const char *name,
                          size_t name_length, const char *symlink, size_t symlink_length)
{
    struct collected *collected = context;
    size_t used = strlen(collected->names);
    (void)snprintf(collected->names + used, sizeof collected->names - used, "%.*s%s%.*s ",
                   (int)name_length, name, symlink_length ? ">" : "", (int)symlink_length, symlink);
    collected->last = entry->row;
    return --collected->left == 0 ? 1 : 0;
}

static inline int list(struct catalog *catalog, const char *path, uint64_t after,
                       struct collected *collected)
{
    struct path_hash hash;
    if (!catalog || path_hash_compute(path, strlen(path), &hash) < 0)
        return -EINVAL;
    return catalog_list(catalog, &hash, after, collect, collected);
}

#endif
