/* Rows of the table `catalog` as entries, names and link texts (cvmfs-format.md 5.2 to 5.5).
 * Everything a row says is checked here: what no file system could have is -EIO. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/client/catalog_internal.h"
#include "payload/client/database.h"

#define ALGORITHM_SHIFT 8
#define COMPRESSION_SHIFT 11
#define FLAG_FIELD_MASK 7u
#define COMPRESSION_ZLIB 0
#define COMPRESSION_NONE 1

/* As catalog.c selects them. */
enum entry_column {
    COLUMN_ROW,
    COLUMN_PATH_1,
    COLUMN_PATH_2,
    COLUMN_PARENT_1,
    COLUMN_PARENT_2,
    COLUMN_SIZE,
    COLUMN_MODE,
    COLUMN_MTIME,
    COLUMN_NANOSECONDS,
    COLUMN_HARDLINKS,
    COLUMN_UID,
    COLUMN_GID,
    COLUMN_FLAGS,
    COLUMN_HASH,
    COLUMN_HAS_XATTRS,
    COLUMN_NAME,
    COLUMN_SYMLINK,
};

static bool is_mode(int64_t mode)
{
    if (mode < 0 || mode & ~(int64_t)(S_IFMT | 07777))
        return false;
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return true;
    default:
        return false;
    }
}

/* Flags, and what is packed into their bits 8 to 13. */
static int read_flags(sqlite3_stmt *statement, struct catalog_entry *entry)
{
    sqlite3_int64 flags = sqlite3_column_int64(statement, COLUMN_FLAGS);
    if (flags < 0 || flags > UINT32_MAX)
        return -EIO;
    entry->flags = (uint32_t)flags;
    unsigned algorithm = (entry->flags >> ALGORITHM_SHIFT & FLAG_FIELD_MASK) + HASH_SHA1;
    unsigned compression = entry->flags >> COMPRESSION_SHIFT & FLAG_FIELD_MASK;
    if (algorithm > HASH_SHAKE128 || compression > COMPRESSION_NONE)
        return -EIO;
    entry->chunk_algorithm = (uint8_t)algorithm;
    entry->compressed = compression == COMPRESSION_ZLIB;
    return 0;
}

static int read_hash(sqlite3_stmt *statement, struct catalog_entry *entry)
{
    entry->hash = (struct hash){.algorithm = HASH_NONE};
    int type = sqlite3_column_type(statement, COLUMN_HASH);
    if (type == SQLITE_NULL)
        return 0;
    const void *digest = type == SQLITE_BLOB ? sqlite3_column_blob(statement, COLUMN_HASH) : NULL;
    if (!digest || sqlite3_column_bytes(statement, COLUMN_HASH) != HASH_SIZE)
        return -EIO;
    memcpy(entry->hash.digest, digest, HASH_SIZE);
    entry->hash.algorithm = entry->chunk_algorithm;
    return 0;
}

static int read_entry(sqlite3_stmt *statement, struct catalog_entry *entry)
{
    /* All of them but the last have to be integers; NULL is one value of the nanoseconds only. */
    for (int column = COLUMN_ROW; column <= COLUMN_FLAGS; column++)
        if (sqlite3_column_type(statement, column) != SQLITE_INTEGER &&
            column != COLUMN_NANOSECONDS)
            return -EIO;

    sqlite3_int64 row = sqlite3_column_int64(statement, COLUMN_ROW);
    sqlite3_int64 size = sqlite3_column_int64(statement, COLUMN_SIZE);
    sqlite3_int64 mode = sqlite3_column_int64(statement, COLUMN_MODE);
    if (row < 1 || size < 0 || !is_mode(mode))
        return -EIO;
    entry->row = (uint64_t)row;
    entry->path.first = sqlite3_column_int64(statement, COLUMN_PATH_1);
    entry->path.second = sqlite3_column_int64(statement, COLUMN_PATH_2);
    entry->parent.first = sqlite3_column_int64(statement, COLUMN_PARENT_1);
    entry->parent.second = sqlite3_column_int64(statement, COLUMN_PARENT_2);
    entry->size = (uint64_t)size;
    entry->mode = (uint32_t)mode;
    entry->mtime = sqlite3_column_int64(statement, COLUMN_MTIME);
    sqlite3_int64 nanoseconds = sqlite3_column_int64(statement, COLUMN_NANOSECONDS);
    bool sensible = nanoseconds >= 0 && nanoseconds < 1000000000;
    entry->mtime_nanoseconds = sensible ? (uint32_t)nanoseconds : 0;

    uint64_t hardlinks = (uint64_t)sqlite3_column_int64(statement, COLUMN_HARDLINKS);
    entry->links = (uint32_t)hardlinks ? (uint32_t)hardlinks : 1;
    entry->hardlink_group = (uint32_t)(hardlinks >> 32);
    entry->uid = (uint32_t)sqlite3_column_int64(statement, COLUMN_UID); /* -2 is what it was */
    entry->gid = (uint32_t)sqlite3_column_int64(statement, COLUMN_GID);
    entry->has_xattrs = sqlite3_column_int(statement, COLUMN_HAS_XATTRS) != 0;
    int result = read_flags(statement, entry);
    return result < 0 ? result : read_hash(statement, entry);
}

/* The one row that the bound statement yields. */
static int step_entry(sqlite3_stmt *statement, struct catalog_entry *entry)
{
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW)
        return read_entry(statement, entry);
    return step == SQLITE_DONE ? -ENOENT : database_failure(step);
}

static void bind_path(sqlite3_stmt *statement, const struct path_hash *path)
{
    (void)sqlite3_bind_int64(statement, 1, path->first); /* an integer to a fresh statement */
    (void)sqlite3_bind_int64(statement, 2, path->second);
}

int catalog_find(struct catalog *catalog, const struct path_hash *path, struct catalog_entry *entry)
{
    sqlite3_stmt *statement = NULL;
    int result = catalog_statement_begin(catalog, STATEMENT_FIND, &statement);
    if (result < 0)
        return result;
    bind_path(statement, path);
    result = step_entry(statement, entry);
    catalog_statement_end(catalog, statement);
    return result;
}

int catalog_find_row(struct catalog *catalog, uint64_t row, struct catalog_entry *entry)
{
    sqlite3_stmt *statement = NULL;
    int result = catalog_statement_begin(catalog, STATEMENT_FIND_ROW, &statement);
    if (result < 0)
        return result;
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)row);
    result = step_entry(statement, entry);
    catalog_statement_end(catalog, statement);
    return result;
}

/* Only the root of a repository has no name. */
static bool is_name(const char *name, size_t length)
{
    if (length > NAME_MAX || memchr(name, '/', length) || memchr(name, '\0', length))
        return false;
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool is_symlink(const char *target, size_t length)
{
    return length <= PATH_MAX && !memchr(target, '\0', length);
}

/* The bytes of a text column, valid until the next step; NULL counts as empty. A blob is taken as
 * the text that it holds. */
static int read_text(sqlite3_stmt *statement, int column, const char **bytes, size_t *length)
{
    *bytes = "";
    *length = 0;
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return 0;
    const char *text = (const char *)sqlite3_column_text(statement, column);
    if (!text)
        return -ENOMEM;
    *bytes = text;
    *length = (size_t)sqlite3_column_bytes(statement, column);
    return 0;
}

static int append_column(struct catalog *catalog, enum catalog_statement which, uint64_t row,
                         bool (*is_valid)(const char *, size_t), struct text *text)
{
    sqlite3_stmt *statement = NULL;
    int result = catalog_statement_begin(catalog, which, &statement);
    if (result < 0)
        return result;
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)row);
    int step = sqlite3_step(statement);
    const char *bytes = NULL;
    size_t length = 0;
    if (step == SQLITE_ROW)
        result = read_text(statement, 0, &bytes, &length);
    else
        result = step == SQLITE_DONE ? -ENOENT : database_failure(step);
    if (result == 0)
        result = is_valid(bytes, length) ? text_append(text, bytes, length) : -EIO;
    catalog_statement_end(catalog, statement);
    return result;
}

int catalog_name(struct catalog *catalog, uint64_t row, struct text *name)
{
    return append_column(catalog, STATEMENT_NAME, row, is_name, name);
}

int catalog_symlink(struct catalog *catalog, uint64_t row, struct text *target)
{
    return append_column(catalog, STATEMENT_SYMLINK, row, is_symlink, target);
}

static int visit_row(sqlite3_stmt *statement, uint64_t after, catalog_visitor *visitor,
                     void *context, uint64_t *row)
{
    struct catalog_entry entry;
    int result = read_entry(statement, &entry);
    if (result < 0)
        return result;
    if (entry.row <= after)
        return -EIO; /* a damaged index that goes in circles */
    *row = entry.row;
    if (entry.flags & CATALOG_FLAG_HIDDEN)
        return 0;

    const char *name = NULL;
    const char *symlink = NULL;
    size_t name_length = 0;
    size_t symlink_length = 0;
    result = read_text(statement, COLUMN_NAME, &name, &name_length);
    if (result == 0)
        result = read_text(statement, COLUMN_SYMLINK, &symlink, &symlink_length);
    if (result < 0)
        return result;
    if (name_length == 0 || !is_name(name, name_length) || !is_symlink(symlink, symlink_length))
        return -EIO;
    return visitor(context, &entry, name, name_length, symlink, symlink_length);
}

int catalog_list(struct catalog *catalog, const struct path_hash *directory, uint64_t after,
                 catalog_visitor *visitor, void *context)
{
    if (after > INT64_MAX)
        return 0; /* there is no such row */
    sqlite3_stmt *statement = NULL;
    int result = catalog_statement_begin(catalog, STATEMENT_LIST, &statement);
    if (result < 0)
        return result;
    bind_path(statement, directory);
    (void)sqlite3_bind_int64(statement, 3, (sqlite3_int64)after);
    int step = SQLITE_DONE;
    while (result == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW)
        result = visit_row(statement, after, visitor, context, &after);
    if (result == 0 && step != SQLITE_DONE)
        result = database_failure(step);
    catalog_statement_end(catalog, statement);
    return result;
}

int catalog_directories(struct catalog *catalog, uint64_t after, uint64_t *rows, int most)
{
    sqlite3_stmt *statement = NULL;
    int result = catalog_statement_begin(catalog, STATEMENT_DIRECTORIES, &statement);
    if (result < 0)
        return result;
    (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)after);
    (void)sqlite3_bind_int(statement, 2, most);
    int count = 0;
    int step = SQLITE_DONE;
    while (result == 0 && count < most && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        rows[count] = (uint64_t)sqlite3_column_int64(statement, 0);
        result = rows[count] > after ? 0 : -EIO; /* a damaged table that goes in circles */
        after = rows[count++];
    }
    if (result == 0)
        result = step == SQLITE_ROW || step == SQLITE_DONE ? count : database_failure(step);
    catalog_statement_end(catalog, statement);
    return result;
}
