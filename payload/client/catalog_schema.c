/* What a catalog says of itself when it is opened: schema and revision (cvmfs-format.md 5.1),
 * properties and statistics (5.2). Judges the schema; reads no row of the tree. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "payload/client/catalog_internal.h"
#include "payload/client/database.h"
#include "payload/client/number.h"

#define DEFAULT_TTL 240
#define SCHEMA_MISSING 10000 /* 1.0 */
#define SCHEMA_LEGACY_END 20000
#define SCHEMA_2_4 24000
#define SCHEMA_2_5 25000
#define SCHEMA_TOLERANCE 5
#define ALL_COUNTERS_REVISION 5

/* Valid catalogs have 9 properties and 24 counters; a damaged one may go in circles. */
#define MOST_PAIRS 1000

const char *const catalog_counter_names[COUNTER_COUNT] = {
    [COUNTER_CHUNKED] = "chunked",     [COUNTER_CHUNKED_SIZE] = "chunked_size",
    [COUNTER_CHUNKS] = "chunks",       [COUNTER_DIR] = "dir",
    [COUNTER_EXTERNAL] = "external",   [COUNTER_EXTERNAL_FILE_SIZE] = "external_file_size",
    [COUNTER_FILE_SIZE] = "file_size", [COUNTER_NESTED] = "nested",
    [COUNTER_REGULAR] = "regular",     [COUNTER_SPECIAL] = "special",
    [COUNTER_SYMLINK] = "symlink",     [COUNTER_XATTR] = "xattr",
};

static int parse_number(const char *text, uint64_t largest, uint64_t *number)
{
    int result = number_parse(text, strlen(text), number);
    return result == 0 && *number > largest ? -EINVAL : result;
}

/* A version such as "2.5" in ten-thousandths. strtod would ask the locale for its comma. */
static int parse_version(const char *text, int *version)
{
    int value = 0;
    int decimals = -1; /* before the point */
    for (; *text; text++) {
        if (*text == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (*text < '0' || *text > '9' || value > 100000)
            return -EINVAL;
        if (decimals >= 4)
            continue; /* below the tolerance */
        value = 10 * value + (*text - '0');
        decimals += decimals >= 0;
    }
    for (decimals = decimals < 0 ? 0 : decimals; decimals < 4; decimals++)
        value *= 10;
    *version = value;
    return 0;
}

static int copy_string(const char *value, char **copy)
{
    free(*copy);
    *copy = strdup(value);
    return *copy ? 0 : -ENOMEM;
}

static int take_property(struct catalog *catalog, const char *key, const char *value)
{
    struct catalog_properties *properties = &catalog->properties;
    uint64_t number = 0;
    int result = 0;
    if (strcmp(key, "schema") == 0)
        return parse_version(value, &catalog->schema.version);
    if (strcmp(key, "schema_revision") == 0) {
        result = parse_number(value, INT_MAX, &number);
        catalog->schema.revision = (int)number;
    } else if (strcmp(key, "revision") == 0) {
        result = parse_number(value, UINT64_MAX, &properties->revision);
    } else if (strcmp(key, "TTL") == 0) {
        result = parse_number(value, UINT32_MAX, &number);
        properties->ttl = (uint32_t)number;
    } else if (strcmp(key, "volatile") == 0) {
        properties->is_volatile = strcmp(value, "1") == 0;
    } else if (strcmp(key, "voms_authz") == 0) {
        result = copy_string(value, &properties->voms_authz);
    } else if (strcmp(key, "root_prefix") == 0) {
        if (*value != '\0' && (*value != '/' || strlen(value) >= PATH_MAX))
            return -EINVAL;
        result = copy_string(value, &properties->root_prefix);
    }
    return result;
}

static int load_properties(struct catalog *catalog, struct error *error)
{
    catalog->schema.version = SCHEMA_MISSING;
    catalog->properties.ttl = DEFAULT_TTL;
    auto_statement sqlite3_stmt *statement = NULL;
    if (database_prepare(catalog->database, "SELECT key, value FROM properties", &statement) < 0)
        return error_set(error, database_failure(sqlite3_errcode(catalog->database)),
                         "reading the properties: %s", sqlite3_errmsg(catalog->database));
    int step = SQLITE_DONE;
    for (int count = 0; (step = sqlite3_step(statement)) == SQLITE_ROW; count++) {
        const char *key = (const char *)sqlite3_column_text(statement, 0);
        const char *value = (const char *)sqlite3_column_text(statement, 1);
        if (count == MOST_PAIRS)
            return error_set(error, -EIO, "too many properties");
        if (!key || !value)
            continue;
        int result = take_property(catalog, key, value);
        if (result < 0)
            return error_set(error, result == -EINVAL ? -EIO : result,
                             "the property %.40s cannot be \"%.40s\"", key, value);
    }
    if (step != SQLITE_DONE)
        return error_set(error, database_failure(step), "reading the properties: %s",
                         sqlite3_errmsg(catalog->database));
    return catalog->properties.root_prefix ? 0 : copy_string("", &catalog->properties.root_prefix);
}

static bool is_version(int version, int expected)
{
    return abs(version - expected) <= SCHEMA_TOLERANCE;
}

static int judge_schema(const struct catalog_schema *schema, struct error *error)
{
    if (schema->version < SCHEMA_LEGACY_END - SCHEMA_TOLERANCE ||
        is_version(schema->version, SCHEMA_2_4) || is_version(schema->version, SCHEMA_2_5))
        return 0;
    return error_set(error, -EINVAL, "schema %d.%04d is not supported", schema->version / 10000,
                     schema->version % 10000);
}

/* Columns by presence: a writer may have been ahead of the revision that it states. */
static int load_columns(struct catalog *catalog, struct error *error)
{
    struct catalog_schema *schema = &catalog->schema;
    sqlite3 *database = catalog->database;
    schema->hardlinks = database_has_column(database, "catalog", "hardlinks");
    schema->owner = database_has_column(database, "catalog", "uid") &&
                    database_has_column(database, "catalog", "gid");
    schema->xattr = database_has_column(database, "catalog", "xattr");
    schema->nanoseconds = database_has_column(database, "catalog", "mtimens");
    schema->chunks = database_has_column(database, "chunks", "hash");
    schema->nested_size = database_has_column(database, "nested_catalogs", "size");
    schema->bind_mountpoints = database_has_column(database, "bind_mountpoints", "sha1");

    bool legacy = schema->version < SCHEMA_LEGACY_END - SCHEMA_TOLERANCE;
    const char *missing = NULL;
    if (!database_has_column(database, "catalog", "md5path_1"))
        missing = "catalog";
    else if (!database_has_column(database, "nested_catalogs", "sha1"))
        missing = "nested_catalogs";
    else if (!legacy && !schema->chunks)
        missing = "chunks";
    else if (!legacy && !database_has_column(database, "statistics", "value"))
        missing = "statistics";
    if (missing)
        return error_set(error, -EIO, "there is no table %s", missing);
    return 0;
}

/* "self_dir" is a counter of `self`, "subtree_dir" of `subtree`. Unknown ones are ignored. */
static uint64_t *find_counter(struct catalog_statistics *statistics, const char *name)
{
    uint64_t *values = NULL;
    if (string_starts_with(name, "self_"))
        values = statistics->self;
    else if (string_starts_with(name, "subtree_"))
        values = statistics->subtree;
    else
        return NULL;
    const char *counter = strchr(name, '_') + 1;
    for (size_t index = 0; index < COUNTER_COUNT; index++)
        if (strcmp(counter, catalog_counter_names[index]) == 0)
            return &values[index];
    return NULL;
}

static int load_statistics(struct catalog *catalog, struct error *error)
{
    struct catalog_statistics *statistics = &catalog->statistics;
    if (!database_has_column(catalog->database, "statistics", "value"))
        return 0; /* legacy: all of them 0 */
    auto_statement sqlite3_stmt *statement = NULL;
    int result =
        database_prepare(catalog->database, "SELECT counter, value FROM statistics", &statement);
    int known = 0;
    int step = SQLITE_ERROR;
    for (int count = 0; result == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW; count++) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        uint64_t *value = name ? find_counter(statistics, name) : NULL;
        if (count == MOST_PAIRS)
            return error_set(error, -EIO, "too many statistics");
        if (!value)
            continue;
        sqlite3_int64 number = sqlite3_column_int64(statement, 1);
        *value = number > 0 ? (uint64_t)number : 0;
        statistics->counts_xattrs |= value == &statistics->self[COUNTER_XATTR];
        known++;
    }
    if (step != SQLITE_DONE)
        return error_set(error, database_failure(sqlite3_errcode(catalog->database)),
                         "reading the statistics: %s", sqlite3_errmsg(catalog->database));
    if (is_version(catalog->schema.version, SCHEMA_2_5) &&
        catalog->schema.revision >= ALL_COUNTERS_REVISION && known < 2 * COUNTER_COUNT)
        return error_set(error, -EIO, "the statistics are not complete");
    return 0;
}

static int load_last_row(struct catalog *catalog, struct error *error)
{
    auto_statement sqlite3_stmt *statement = NULL;
    int result = database_prepare(catalog->database, "SELECT max(rowid) FROM catalog", &statement);
    if (result < 0 || sqlite3_step(statement) != SQLITE_ROW)
        return error_set(error, database_failure(sqlite3_errcode(catalog->database)),
                         "reading the last row: %s", sqlite3_errmsg(catalog->database));
    sqlite3_int64 row = sqlite3_column_int64(statement, 0);
    catalog->last_row = row > 0 ? (uint64_t)row : 0;
    return 0;
}

int catalog_schema_load(struct catalog *catalog, struct error *error)
{
    int result = load_properties(catalog, error);
    if (result == 0)
        result = judge_schema(&catalog->schema, error);
    if (result == 0)
        result = load_columns(catalog, error);
    if (result == 0)
        result = load_statistics(catalog, error);
    if (result == 0)
        result = load_last_row(catalog, error);
    return result;
}
