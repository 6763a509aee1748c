/* Any bytes as the database of a catalog: opened, then asked for everything a client asks for. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/catalog.h"

#define MOST_ROWS 200

struct visit {
    struct catalog_entry entries[MOST_ROWS];
    size_t count;
};

static int remember(void *context, const struct catalog_entry *entry, const char *name,
                    size_t name_length, const char *symlink, size_t symlink_length)
{
    struct visit *visit = context;
    if (name_length == 0 || name_length > NAME_MAX || strlen(name) != name_length ||
        strchr(name, '/') || strlen(symlink) != symlink_length)
        abort(); /* the contract of catalog_list */
    visit->entries[visit->count++] = *entry;
    return visit->count == MOST_ROWS ? 1 : 0;
}

static void use_entry(struct catalog *catalog, const struct catalog_entry *entry)
{
    auto_text struct text text = TEXT_INIT;
    auto_free struct catalog_chunk *chunks = NULL;
    struct catalog_entry again;
    size_t count = 0;
    uint64_t row = 0;
    (void)catalog_name(catalog, entry->row, &text);
    (void)catalog_symlink(catalog, entry->row, &text);
    (void)catalog_xattrs(catalog, entry->row, &text);
    (void)catalog_find(catalog, &entry->path, &again);
    (void)catalog_hardlink_row(catalog, entry->hardlink_group, &row);
    uint64_t end = 0;
    if (catalog_chunks(catalog, entry, &chunks, &count) == 0)
        for (size_t index = 0; index < count; index++)
            end += chunks[index].size;
    if (count > 0 && end != entry->size)
        abort(); /* the contract of catalog_chunks */
}

static void use_catalog(struct catalog *catalog)
{
    static struct visit visit;
    struct path_hash root;
    struct hash hash;
    uint64_t size = 0;
    bool bind = false;
    if (path_hash_compute("", 0, &root) < 0)
        abort();
    visit.count = 0;
    (void)catalog_list(catalog, &root, 0, remember, &visit);
    for (size_t index = 0; index < visit.count; index++)
        use_entry(catalog, &visit.entries[index]);
    for (uint64_t row = 0; row < 20; row++) {
        struct catalog_entry entry;
        if (catalog_find_row(catalog, row, &entry) == 0)
            use_entry(catalog, &entry);
    }
    (void)catalog_nested(catalog, "/nested", 7, &hash, &size, &bind);
    (void)catalog_nested(catalog, "/bind", 5, &hash, &size, &bind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_fd int fd = memfd_create("catalog", MFD_CLOEXEC);
    if (fd < 0 || file_write_full(fd, data, size) < 0)
        abort();
    struct catalog *catalog = NULL;
    struct error error = ERROR_INIT;
    if (catalog_open(fd, &catalog, &error) < 0)
        return 0;
    use_catalog(catalog);
    catalog_close(catalog);
    return 0;
}
