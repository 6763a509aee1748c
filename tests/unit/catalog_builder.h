/* Small catalogs for tests, written by SQLite itself in the schema of any revision. */
#ifndef CVMFSEXEC_TESTS_CATALOG_BUILDER_H
#define CVMFSEXEC_TESTS_CATALOG_BUILDER_H

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/client/catalog.h"

struct catalog_builder {
    sqlite3 *database;
    char path[64];
    bool legacy;
    bool failed;
};

/* Runs SQL, formatted by SQLite's own rules (%Q quotes). */
static inline void builder_run(struct catalog_builder *builder, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *sql = sqlite3_vmprintf(format, arguments);
    va_end(arguments);
    char *message = NULL;
    if (!sql || sqlite3_exec(builder->database, sql, NULL, NULL, &message) != SQLITE_OK) {
        printf("# %s: %s\n", sql ? sql : "", message ? message : "no memory");
        builder->failed = true;
    }
    sqlite3_free(message);
    sqlite3_free(sql);
}

static inline void builder_property(struct catalog_builder *builder, const char *key,
                                    const char *value)
{
    builder_run(builder, "INSERT OR REPLACE INTO properties VALUES (%Q, %Q)", key, value);
}

static inline void builder_counters(struct catalog_builder *builder, int revision)
{
    for (int counter = 0; counter < COUNTER_COUNT; counter++) {
        if ((counter == COUNTER_XATTR && revision < 2) ||
            (counter == COUNTER_EXTERNAL && revision < 3) ||
            (counter == COUNTER_EXTERNAL_FILE_SIZE && revision < 3) ||
            (counter == COUNTER_SPECIAL && revision < 5))
            continue;
        builder_run(builder,
                    "INSERT INTO statistics VALUES ('self_%s', %d);"
                    "INSERT INTO statistics VALUES ('subtree_%s', %d)",
                    catalog_counter_names[counter], 10 + counter, catalog_counter_names[counter],
                    100 + counter);
    }
}

/* An empty catalog of a schema ("1.0", "2.4", "2.5") and revision, as that revision's writer made
 * it (cvmfs-format.md 5.1). */
static inline void builder_begin(struct catalog_builder *builder, const char *schema, int revision)
{
    *builder = (struct catalog_builder){.path = "/tmp/test_catalog.XXXXXX"};
    int fd = mkstemp(builder->path);
    builder->failed =
        fd < 0 || close(fd) < 0 || sqlite3_open(builder->path, &builder->database) != SQLITE_OK;
    bool legacy = strcmp(schema, "2.0") < 0;
    builder->legacy = legacy;
    bool current = strcmp(schema, "2.5") == 0;
    builder_run(builder,
                "PRAGMA page_size = 1024; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                "BEGIN;"
                "CREATE TABLE properties (key TEXT PRIMARY KEY, value TEXT);"
                "CREATE TABLE catalog (md5path_1 INTEGER, md5path_2 INTEGER, parent_1 INTEGER,"
                " parent_2 INTEGER, %s INTEGER, hash BLOB, size INTEGER, mode INTEGER,"
                " mtime INTEGER,%s flags INTEGER, name TEXT, symlink TEXT%s%s,"
                " PRIMARY KEY (md5path_1, md5path_2));"
                "CREATE INDEX by_parent ON catalog (parent_1, parent_2);"
                "CREATE TABLE nested_catalogs (path TEXT PRIMARY KEY, sha1 TEXT%s)",
                legacy ? "inode" : "hardlinks", current && revision >= 7 ? " mtimens INTEGER," : "",
                legacy ? "" : ", uid INTEGER, gid INTEGER",
                current && revision >= 2 ? ", xattr BLOB" : "",
                current && revision >= 1 ? ", size INTEGER" : "");
    builder_property(builder, "schema", schema);
    if (revision > 0) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", revision);
        builder_property(builder, "schema_revision", number);
    }
    if (legacy)
        return;
    builder_run(builder, "CREATE TABLE chunks (md5path_1 INTEGER, md5path_2 INTEGER,"
                         " offset INTEGER, size INTEGER, hash BLOB,"
                         " PRIMARY KEY (md5path_1, md5path_2, offset, size));"
                         "CREATE TABLE statistics (counter TEXT PRIMARY KEY, value INTEGER)");
    if (current && revision >= 4)
        builder_run(builder, "CREATE TABLE bind_mountpoints"
                             " (path TEXT PRIMARY KEY, sha1 TEXT, size INTEGER)");
    builder_counters(builder, revision);
}

/* A row of user 0 with one link. Its directory and name are taken from the path. */
static inline void builder_entry(struct catalog_builder *builder, const char *path, int mode,
                                 int size, int flags, const char *hash)
{
    const char *slash = strrchr(path, '/');
    struct path_hash own = {0, 0};
    struct path_hash parent = {0, 0};
    builder->failed |= path_hash_compute(path, strlen(path), &own) < 0;
    if (slash)
        builder->failed |= path_hash_compute(path, (size_t)(slash - path), &parent) < 0;
    builder_run(builder,
                "INSERT INTO catalog (md5path_1, md5path_2, parent_1, parent_2, hash, size, mode,"
                " mtime, flags, name, symlink%s)"
                " VALUES (%lld, %lld, %lld, %lld, %s, %d, %d, 1700000000, %d, %Q, ''%s)",
                builder->legacy ? "" : ", hardlinks, uid, gid", (long long)own.first,
                (long long)own.second, (long long)parent.first, (long long)parent.second,
                hash ? hash : "NULL", size, mode, flags, slash ? slash + 1 : "",
                builder->legacy ? "" : ", 1, 0, 0");
}

/* Sets columns of a row that is there: "uid = 5, gid = 6". */
static inline void builder_set(struct catalog_builder *builder, const char *path,
                               const char *assignments)
{
    struct path_hash own = {0, 0};
    builder->failed |= path_hash_compute(path, strlen(path), &own) < 0;
    builder_run(builder, "UPDATE catalog SET %s WHERE md5path_1 = %lld AND md5path_2 = %lld",
                assignments, (long long)own.first, (long long)own.second);
}

static inline void builder_chunk(struct catalog_builder *builder, const char *path, int offset,
                                 int size, const char *hash)
{
    struct path_hash own = {0, 0};
    builder->failed |= path_hash_compute(path, strlen(path), &own) < 0;
    builder_run(builder, "INSERT INTO chunks VALUES (%lld, %lld, %d, %d, %s)", (long long)own.first,
                (long long)own.second, offset, size, hash);
}

/* Closes the database; the file has no name any more. A descriptor, or -1 when anything failed. */
static inline int builder_finish(struct catalog_builder *builder)
{
    builder_run(builder, "COMMIT");
    builder->failed |= sqlite3_close(builder->database) != SQLITE_OK;
    int fd = builder->failed ? -1 : open(builder->path, O_RDONLY | O_CLOEXEC);
    (void)unlink(builder->path);
    return fd;
}

#endif
