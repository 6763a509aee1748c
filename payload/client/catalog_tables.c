/* What a catalog holds beside its entries: nested catalogs, chunks, extended attributes, and the
 * groups of hard links that the entries form (cvmfs-format.md 5.2, 5.5). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/client/catalog_internal.h"
#include "payload/client/database.h"

static int read_nested(sqlite3_stmt *statement, struct hash *hash, uint64_t *size)
{
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (!text || hash_parse(text, (size_t)sqlite3_column_bytes(statement, 0), hash) < 0)
        return -EIO;
    sqlite3_int64 bytes = sqlite3_column_int64(statement, 1);
    *size = bytes > 0 ? (uint64_t)bytes : 0;
    return 0;
}

static int find_nested(struct catalog *catalog, enum catalog_statement which, const char *path,
                       size_t length, struct hash *hash, uint64_t *size)
{
    sqlite3_stmt *statement = NULL;
    int result = catalog_statement_begin(catalog, which, &statement);
    if (result < 0)
        return result;
    int step = sqlite3_bind_text64(statement, 1, path, length, SQLITE_STATIC, SQLITE_UTF8);
    if (step == SQLITE_OK)
        step = sqlite3_step(statement);
    if (step == SQLITE_ROW)
        result = read_nested(statement, hash, size);
    else
        result = step == SQLITE_DONE ? -ENOENT : database_failure(step);
    (void)sqlite3_reset(statement);
    (void)sqlite3_bind_null(statement, 1); /* the path is the caller's */
    catalog_statement_end(catalog, statement);
    return result;
}

int catalog_nested(struct catalog *catalog, const char *path, size_t length, struct hash *hash,
                   uint64_t *size, bool *bind)
{
    *bind = false;
    int result = find_nested(catalog, STATEMENT_NESTED, path, length, hash, size);
    if (result != -ENOENT || !catalog->schema.bind_mountpoints)
        return result;
    *bind = true;
    return find_nested(catalog, STATEMENT_BIND, path, length, hash, size);
}

struct chunk_list {
    struct catalog_chunk *items;
    size_t count;
    size_t capacity;
};

static int chunk_add(struct chunk_list *list, const struct catalog_chunk *chunk)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        struct catalog_chunk *items = reallocarray(list->items, capacity, sizeof *items);
        if (!items)
            return -ENOMEM;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = *chunk;
    return 0;
}

/* One row, which has to begin where the one before ended and to stay within the file. */
static int read_chunk(sqlite3_stmt *statement, const struct catalog_entry *entry, uint64_t end,
                      struct catalog_chunk *chunk)
{
    sqlite3_int64 offset = sqlite3_column_int64(statement, 0);
    sqlite3_int64 size = sqlite3_column_int64(statement, 1);
    const void *digest = sqlite3_column_blob(statement, 2);
    if (offset < 0 || size < 1 || (uint64_t)offset != end || (uint64_t)size > entry->size - end ||
        !digest || sqlite3_column_bytes(statement, 2) != HASH_SIZE)
        return -EIO;
    chunk->offset = (uint64_t)offset;
    chunk->size = (uint64_t)size;
    chunk->hash.algorithm = entry->chunk_algorithm;
    memcpy(chunk->hash.digest, digest, HASH_SIZE);
    return 0;
}

static int read_chunks(sqlite3_stmt *statement, const struct catalog_entry *entry,
                       struct chunk_list *list)
{
    (void)sqlite3_bind_int64(statement, 1, entry->path.first); /* an integer to a fresh statement */
    (void)sqlite3_bind_int64(statement, 2, entry->path.second);
    uint64_t end = 0;
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct catalog_chunk chunk;
        int result = read_chunk(statement, entry, end, &chunk);
        if (result == 0)
            result = chunk_add(list, &chunk);
        if (result < 0)
            return result;
        end += chunk.size;
    }
    if (step != SQLITE_DONE)
        return database_failure(step);
    return end == entry->size ? 0 : -EIO;
}

int catalog_chunks(struct catalog *catalog, const struct catalog_entry *entry,
                   struct catalog_chunk **chunks, size_t *count)
{
    if (!catalog->schema.chunks)
        return -EIO; /* a flag of the row that its schema does not know */
    sqlite3_stmt *statement = NULL;
    int result = catalog_statement_begin(catalog, STATEMENT_CHUNKS, &statement);
    if (result < 0)
        return result;
    struct chunk_list list = {.items = NULL, .count = 0, .capacity = 0};
    result = read_chunks(statement, entry, &list);
    catalog_statement_end(catalog, statement);
    if (result < 0) {
        free(list.items);
        return result;
    }
    *chunks = list.items;
    *count = list.count;
    return 0;
}

int catalog_xattrs(struct catalog *catalog, uint64_t row, struct text *blob)
{
    sqlite3_stmt *statement = NULL;
    int result = catalog_statement_begin(catalog, STATEMENT_XATTR, &statement);
    if (result < 0)
        return result;
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)row);
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW) {
        const void *bytes = sqlite3_column_blob(statement, 0); /* NULL when empty */
        int length = sqlite3_column_bytes(statement, 0);
        result = bytes ? text_append(blob, bytes, (size_t)length) : 0;
    } else {
        result = step == SQLITE_DONE ? -ENOENT : database_failure(step);
    }
    catalog_statement_end(catalog, statement);
    return result;
}

static int compare_groups(const void *one, const void *other)
{
    const struct catalog_group *left = one;
    const struct catalog_group *right = other;
    if (left->group != right->group)
        return left->group < right->group ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

static int compare_group_number(const void *key, const void *item)
{
    uint32_t group = *(const uint32_t *)key;
    const struct catalog_group *candidate = item;
    return group < candidate->group ? -1 : group > candidate->group;
}

/* Every row that is in a group, in ascending order of rows. Rows outside are passed over here and
 * not by a WHERE, so that the order of all rows shows whether a damaged table goes in circles. */
static int collect_grouped_rows(sqlite3_stmt *statement, struct catalog_group **groups,
                                size_t *count)
{
    auto_free struct catalog_group *collected = NULL;
    size_t capacity = 0;
    size_t used = 0;
    sqlite3_int64 last = 0;
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        sqlite3_int64 row = sqlite3_column_int64(statement, 0);
        uint64_t hardlinks = (uint64_t)sqlite3_column_int64(statement, 1);
        if (row <= last)
            return -EIO;
        last = row;
        if (hardlinks >> 32 == 0)
            continue;
        if (used == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            struct catalog_group *larger = reallocarray(collected, capacity, sizeof *larger);
            if (!larger)
                return -ENOMEM;
            collected = larger;
        }
        collected[used++] =
            (struct catalog_group){.row = (uint64_t)row, .group = (uint32_t)(hardlinks >> 32)};
    }
    if (step != SQLITE_DONE)
        return database_failure(step);
    *groups = steal_pointer(collected);
    *count = used;
    return 0;
}

/* Leaves the lowest row of each group, in a block of just that size. */
static void keep_lowest_rows(struct catalog_group **groups, size_t *count)
{
    struct catalog_group *items = *groups;
    if (*count == 0)
        return;
    qsort(items, *count, sizeof *items, compare_groups);
    size_t kept = 1;
    for (size_t index = 1; index < *count; index++)
        if (items[index].group != items[kept - 1].group)
            items[kept++] = items[index];
    *count = kept;
    struct catalog_group *smaller = reallocarray(items, kept, sizeof *items);
    *groups = smaller ? smaller : items;
}

static int load_groups(struct catalog *catalog)
{
    auto_statement sqlite3_stmt *statement = NULL;
    int result = database_prepare(
        catalog->database, "SELECT rowid, hardlinks FROM catalog ORDER BY rowid", &statement);
    if (result == 0)
        result = collect_grouped_rows(statement, &catalog->groups, &catalog->group_count);
    if (result < 0)
        return result;
    keep_lowest_rows(&catalog->groups, &catalog->group_count);
    catalog->groups_known = true;
    return 0;
}

int catalog_hardlink_row(struct catalog *catalog, uint32_t group, uint64_t *row)
{
    if (group == 0 || !catalog->schema.hardlinks)
        return -ENOENT;
    (void)pthread_mutex_lock(&catalog->lock);
    catalog_warm(catalog);
    int result = catalog->groups_known ? 0 : load_groups(catalog);
    if (result == 0) {
        const struct catalog_group *found =
            catalog->group_count ? bsearch(&group, catalog->groups, catalog->group_count,
                                           sizeof *found, compare_group_number)
                                 : NULL;
        result = found ? 0 : -ENOENT;
        if (found)
            *row = found->row;
    }
    (void)pthread_mutex_unlock(&catalog->lock);
    return result;
}
