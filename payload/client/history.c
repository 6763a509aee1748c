/* Queries of the tag database. Used once per mount, so nothing is kept prepared. */
#include "payload/client/history.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "payload/base/scope.h"
#include "payload/client/database.h"

#define CACHE_KIB 256

/* A database made to keep a query busy for ever is stopped after this many virtual instructions: a
 * thousand times what a hundred thousand tags need. */
#define QUERY_STEP 1000000
#define QUERY_STEPS 1000

struct history {
    sqlite3 *database;
    bool has_branches;
    unsigned steps;
};

static int count_steps(void *context)
{
    struct history *history = context;
    return ++history->steps > QUERY_STEPS;
}

/* Runs up to the first row. 0, -ENOENT when there is none, -EIO, -ENOMEM. */
static int first_row(struct history *history, sqlite3_stmt *statement)
{
    history->steps = 0;
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return 0;
    return result == SQLITE_DONE ? -ENOENT : database_failure(result);
}

/* The text of a property, which the caller frees. */
static int read_property(struct history *history, const char *name, char **value)
{
    auto_statement sqlite3_stmt *statement = NULL;
    int result = database_prepare(history->database, "SELECT value FROM properties WHERE key = ?1",
                                  &statement);
    if (result == 0 && sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC) != SQLITE_OK)
        result = -ENOMEM;
    if (result == 0)
        result = first_row(history, statement);
    if (result < 0)
        return result;
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    *value = strdup(text ? text : "");
    return *value ? 0 : -ENOMEM;
}

static int check_schema(struct history *history, struct error *error)
{
    auto_free char *schema = NULL;
    auto_free char *fqrn = NULL;
    if (!database_has_column(history->database, "tags", "hash") ||
        !database_has_column(history->database, "properties", "value"))
        return error_set(error, -EIO, "this is no tag database");
    int result = read_property(history, "schema", &schema);
    if (result == 0)
        result = read_property(history, "fqrn", &fqrn);
    if (result == -ENOENT)
        return error_set(error, -EINVAL, "the tag database does not say whose it is");
    if (result < 0)
        return error_system(error, result, "reading the tag database");
    if (strcmp(schema, "1.0") != 0)
        return error_set(error, -EINVAL, "the tag database has the unknown schema %.32s", schema);
    /* Since revision 3; a column tells that as well as the property does. */
    history->has_branches = database_has_column(history->database, "tags", "branch");
    return 0;
}

int history_open(int fd, struct history **history, struct error *error)
{
    struct history *opened = calloc(1, sizeof *opened);
    if (!opened)
        return error_system(error, -ENOMEM, "opening the tag database");
    int result = database_open(fd, CACHE_KIB, &opened->database, error);
    if (result == 0) {
        sqlite3_progress_handler(opened->database, QUERY_STEP, count_steps, opened);
        result = check_schema(opened, error);
    }
    if (result < 0) {
        history_close(opened);
        return result;
    }
    *history = opened;
    return 0;
}

void history_close(struct history *history)
{
    if (!history)
        return;
    (void)sqlite3_close(history->database); /* every statement is finalized by its scope */
    free(history);
}

static int read_catalog(struct history *history, sqlite3_stmt *statement, struct hash *catalog)
{
    int result = first_row(history, statement);
    if (result < 0)
        return result;
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (!text || hash_parse(text, (size_t)sqlite3_column_bytes(statement, 0), catalog) < 0)
        return -EIO;
    return 0;
}

int history_find_tag(struct history *history, const char *name, struct hash *catalog)
{
    auto_statement sqlite3_stmt *statement = NULL;
    int result =
        database_prepare(history->database, "SELECT hash FROM tags WHERE name = ?1", &statement);
    if (result == 0 && sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC) != SQLITE_OK)
        result = -ENOMEM;
    return result < 0 ? result : read_catalog(history, statement, catalog);
}

int history_find_date(struct history *history, int64_t date, struct hash *catalog)
{
    auto_statement sqlite3_stmt *statement = NULL;
    const char *sql = history->has_branches
                          ? "SELECT hash FROM tags WHERE branch = '' AND timestamp <= ?1 "
                            "ORDER BY revision DESC LIMIT 1"
                          : "SELECT hash FROM tags WHERE timestamp <= ?1 "
                            "ORDER BY revision DESC LIMIT 1";
    int result = database_prepare(history->database, sql, &statement);
    if (result == 0 && sqlite3_bind_int64(statement, 1, date) != SQLITE_OK)
        result = -ENOMEM;
    return result < 0 ? result : read_catalog(history, statement, catalog);
}

int history_parse_date(const char *text, int64_t *date)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    if (strlen(text) != sizeof form - 1)
        return -EINVAL;
    for (size_t index = 0; index < sizeof form - 1; index++)
        if (form[index] == 'd' ? text[index] < '0' || text[index] > '9'
                               : text[index] != form[index])
            return -EINVAL;
    struct tm utc = {.tm_sec = 0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (!end || *end)
        return -EINVAL;
    *date = timegm(&utc);
    return 0;
}
