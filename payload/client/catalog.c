/* An open catalog: its database, its lock and its compiled statements. What the statements yield is
 * read by catalog_rows.c and catalog_tables.c, what the catalog says of itself by
 * catalog_schema.c. */
#include "payload/client/catalog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "payload/base/scope.h"
#include "payload/client/catalog_internal.h"
#include "payload/client/database.h"

/* Pages kept per catalog that is in use (catalog_warm.c). The kernel keeps the file itself, so a
 * page that is not here costs a read of 1 KiB; the inner pages of the trees are worth their memory,
 * the leaves are not. */
#define CACHE_KIB 256

static void catalog_destroy(struct catalog **catalog)
{
    catalog_close(*catalog);
}

int catalog_open(int fd, struct catalog **catalog, struct error *error)
{
    __attribute__((cleanup(catalog_destroy))) struct catalog *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_system(error, -ENOMEM, "opening a catalog");
    if (pthread_mutex_init(&opened->lock, NULL) != 0) {
        free(steal_pointer(opened));
        return error_system(error, -ENOMEM, "opening a catalog");
    }
    int result = database_open(fd, CACHE_KIB, &opened->database, error);
    if (result == 0)
        result = catalog_schema_load(opened, error);
    if (result < 0)
        return result;
    *catalog = steal_pointer(opened);
    return 0;
}

void catalog_close(struct catalog *catalog)
{
    if (!catalog)
        return;
    catalog_forget_warmth(catalog);
    for (size_t index = 0; index < STATEMENT_COUNT; index++)
        (void)sqlite3_finalize(catalog->statements[index]); /* repeats an old result */
    (void)sqlite3_close(catalog->database); /* fails only while statements are left */
    free(catalog->groups);
    free(catalog->properties.root_prefix);
    free(catalog->properties.voms_authz);
    (void)pthread_mutex_destroy(&catalog->lock);
    free(catalog);
}

/* The columns in the order of enum entry_column (catalog_rows.c); what this revision does not
 * have comes as its default. */
static int write_entry_query(const struct catalog_schema *schema, const char *more,
                             const char *condition, char *sql, size_t capacity)
{
    return snprintf(sql, capacity,
                    "SELECT rowid, md5path_1, md5path_2, parent_1, parent_2, size, mode, mtime, "
                    "%s, %s, %s, flags, hash, %s%s FROM catalog WHERE %s",
                    schema->nanoseconds ? "mtimens" : "0", schema->hardlinks ? "hardlinks" : "1",
                    schema->owner ? "uid, gid" : "0, 0", schema->xattr ? "xattr IS NOT NULL" : "0",
                    more, condition);
}

static int write_query(const struct catalog_schema *schema, enum catalog_statement which, char *sql,
                       size_t capacity)
{
    switch (which) {
    case STATEMENT_FIND:
        return write_entry_query(schema, "", "md5path_1 = ?1 AND md5path_2 = ?2", sql, capacity);
    case STATEMENT_FIND_ROW:
        return write_entry_query(schema, "", "rowid = ?1", sql, capacity);
    case STATEMENT_LIST:
        /* The index over the parent ends in the row, so that this begins right behind ?3. */
        return write_entry_query(schema, ", name, symlink",
                                 "parent_1 = ?1 AND parent_2 = ?2 AND rowid > ?3 ORDER BY rowid",
                                 sql, capacity);
    case STATEMENT_DIRECTORIES:
        return snprintf(sql, capacity,
                        "SELECT rowid FROM catalog WHERE rowid > ?1 AND mode & %d = %d "
                        "ORDER BY rowid LIMIT ?2",
                        S_IFMT, S_IFDIR);
    case STATEMENT_NAME:
        return snprintf(sql, capacity, "SELECT name FROM catalog WHERE rowid = ?1");
    case STATEMENT_SYMLINK:
        return snprintf(sql, capacity, "SELECT symlink FROM catalog WHERE rowid = ?1");
    case STATEMENT_XATTR:
        return snprintf(sql, capacity, "SELECT %s FROM catalog WHERE rowid = ?1",
                        schema->xattr ? "xattr" : "NULL");
    case STATEMENT_CHUNKS:
        return snprintf(sql, capacity,
                        "SELECT offset, size, hash FROM chunks "
                        "WHERE md5path_1 = ?1 AND md5path_2 = ?2 ORDER BY offset");
    case STATEMENT_NESTED:
        return snprintf(sql, capacity, "SELECT sha1, %s FROM nested_catalogs WHERE path = ?1",
                        schema->nested_size ? "size" : "0");
    case STATEMENT_BIND:
        return snprintf(sql, capacity, "SELECT sha1, size FROM bind_mountpoints WHERE path = ?1");
    case STATEMENT_COUNT:
        break;
    }
    return -1;
}

int catalog_statement_begin(struct catalog *catalog, enum catalog_statement which,
                            sqlite3_stmt **statement)
{
    (void)pthread_mutex_lock(&catalog->lock);
    catalog_warm(catalog);
    int result = 0;
    if (!catalog->statements[which]) {
        char sql[512];
        int length = write_query(&catalog->schema, which, sql, sizeof sql);
        result = length < 0 || (size_t)length >= sizeof sql
                     ? -EIO
                     : database_prepare(catalog->database, sql, &catalog->statements[which]);
    }
    if (result < 0)
        (void)pthread_mutex_unlock(&catalog->lock);
    else
        *statement = catalog->statements[which];
    return result;
}

void catalog_statement_end(struct catalog *catalog, sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement); /* repeats the result of the last step */
    (void)pthread_mutex_unlock(&catalog->lock);
}

uint64_t catalog_last_row(const struct catalog *catalog)
{
    return catalog->last_row;
}

const struct catalog_statistics *catalog_statistics(const struct catalog *catalog)
{
    return &catalog->statistics;
}

uint64_t catalog_revision(const struct catalog *catalog)
{
    return catalog->properties.revision;
}

uint32_t catalog_ttl(const struct catalog *catalog)
{
    return catalog->properties.ttl;
}

const char *catalog_root_prefix(const struct catalog *catalog)
{
    return catalog->properties.root_prefix;
}

bool catalog_is_volatile(const struct catalog *catalog)
{
    return catalog->properties.is_volatile;
}

const char *catalog_voms_authz(const struct catalog *catalog)
{
    return catalog->properties.voms_authz;
}
