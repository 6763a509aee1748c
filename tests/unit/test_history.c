/* payload/client/history: snapshots by name and by date, from databases of every revision. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/history.h"
#include "tests/unit/tap.h"

#define HEX "0123456789abcdef0123456789abcdef0123456"
#define PROPERTIES                                                \
    "CREATE TABLE properties (key TEXT PRIMARY KEY, value TEXT);" \
    "INSERT INTO properties VALUES ('schema', '1.0'), ('fqrn', 'a.example.org');"

/* A descriptor of a database made by the given SQL; the file has no name any more. */
static int make(const char *sql)
{
    char path[] = "/tmp/test_history.XXXXXX";
    int fd = mkstemp(path);
    sqlite3 *database = NULL;
    char *message = NULL;
    if (sqlite3_open(path, &database) != SQLITE_OK ||
        sqlite3_exec(database, sql, NULL, NULL, &message) != SQLITE_OK)
        printf("# %s\n", message ? message : "no database");
    sqlite3_free(message);
    (void)sqlite3_close(database);
    (void)unlink(path);
    return fd;
}

static struct history *open_history(const char *sql)
{
    auto_fd int fd = make(sql);
    struct history *history = NULL;
    struct error error = ERROR_INIT;
    if (history_open(fd, &history, &error) < 0)
        printf("# %s\n", error.message);
    return history;
}

static int refusal(const char *sql)
{
    auto_fd int fd = make(sql);
    struct history *history = NULL;
    int result = history_open(fd, &history, NULL);
    history_close(history);
    return result;
}

/* The last digit of the hash tells which tag was found; -1: none, -2: an error. */
static int number_of(int result, const struct hash *hash)
{
    if (result < 0)
        return result == -ENOENT ? -1 : -2;
    return hash->digest[HASH_SIZE - 1] & 15;
}

static int by_name(struct history *history, const char *name)
{
    struct hash hash;
    return number_of(history_find_tag(history, name, &hash), &hash);
}

static int by_date(struct history *history, int64_t date)
{
    struct hash hash;
    return number_of(history_find_date(history, date, &hash), &hash);
}

static void tags_are_found(void)
{
    struct history *history = open_history(
        PROPERTIES "INSERT INTO properties VALUES ('schema_revision', '3');"
                   "CREATE TABLE tags (name TEXT PRIMARY KEY, hash TEXT, revision INTEGER,"
                   " timestamp INTEGER, channel INTEGER, description TEXT, size INTEGER,"
                   " branch TEXT);"
                   "INSERT INTO tags VALUES ('one', '" HEX "1', 1, 1000, 0, '', 5, ''),"
                   " ('two', '" HEX "2', 2, 2000, 0, '', 5, ''),"
                   " ('again', '" HEX "3', 3, 1500, 0, '', 5, ''),"
                   " ('side', '" HEX "4-rmd160', 9, 1200, 0, '', 5, 'b'),"
                   " ('broken', 'xyz', 10, 100, 0, '', 5, ''),"
                   " ('null', NULL, 11, 100, 0, '', 5, 'b')");
    if (!CHECK(history != NULL, "a tag database of revision 3 is opened"))
        return;
    CHECK(by_name(history, "one") == 1 && by_name(history, "side") == 4, "a tag is found by name");
    CHECK(by_name(history, "three") == -1 && by_name(history, "") == -1 &&
              by_name(history, "' OR 1; --") == -1,
          "one that is not there is not");
    CHECK(by_name(history, "broken") == -2 && by_name(history, "null") == -2,
          "a tag without a good hash is an error");
    history_close(history);
}

static void dates_select_the_highest_revision(void)
{
    struct history *history = open_history(
        PROPERTIES "CREATE TABLE tags (name TEXT PRIMARY KEY, hash TEXT, revision INTEGER,"
                   " timestamp INTEGER, branch TEXT);"
                   "INSERT INTO tags VALUES ('one', '" HEX "1', 1, 1000, ''),"
                   " ('two', '" HEX "2', 2, 2000, ''), ('again', '" HEX "3', 3, 1500, ''),"
                   " ('side', '" HEX "4', 9, 1200, 'b')");
    CHECK(by_date(history, 999) == -1, "before the first snapshot there is none");
    CHECK(by_date(history, 1000) == 1 && by_date(history, 1499) == 1,
          "a snapshot counts from its very second, and other branches do not");
    CHECK(by_date(history, 1500) == 3 && by_date(history, 5000) == 3,
          "of several the highest revision is taken");
    history_close(history);
}

static void old_revisions_have_no_branches(void)
{
    struct history *history = open_history(
        PROPERTIES "CREATE TABLE tags (name TEXT PRIMARY KEY, hash TEXT, revision INTEGER,"
                   " timestamp INTEGER, channel INTEGER, description TEXT);"
                   "INSERT INTO tags VALUES ('one', '" HEX "1', 1, 1000, 0, ''),"
                   " ('two', '" HEX "2', 2, 2000, 0, '')");
    CHECK(history && by_name(history, "two") == 2 && by_date(history, 1500) == 1,
          "a tag database of revision 0 answers both ways");
    history_close(history);
}

static void what_is_no_tag_database_is_refused(void)
{
    CHECK(refusal("CREATE TABLE a (b)") == -EIO, "one without the tables");
    CHECK(refusal(PROPERTIES "CREATE TABLE t (hash); CREATE VIEW tags AS SELECT hash FROM t") ==
              -EIO,
          "one with a view in place of the table");
    CHECK(refusal("CREATE TABLE tags (hash); CREATE TABLE properties (key, value);"
                  "INSERT INTO properties VALUES ('schema', '1.0')") == -EINVAL,
          "one of no repository");
    CHECK(refusal(PROPERTIES "CREATE TABLE tags (hash);"
                             "UPDATE properties SET value = '2.0' WHERE key = 'schema'") == -EINVAL,
          "one of an unknown schema");
    CHECK(refusal("") == -EIO, "an empty file");
    struct history *history = NULL;
    auto_fd int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct error error = ERROR_INIT;
    CHECK(history_open(fd, &history, &error) == -EIO, "a file that is no database: %s",
          error.message);
}

static void dates_have_one_form(void)
{
    int64_t date = 0;
    CHECK(history_parse_date("2026-11-23T22:10:05Z", &date) == 0 && date == 1795471805,
          "YYYY-MM-DDThh:mm:ssZ is read as UTC");
    CHECK(history_parse_date("", &date) == -EINVAL &&
              history_parse_date("2026-11-23", &date) == -EINVAL &&
              history_parse_date("2026-11-23 22:10:05Z", &date) == -EINVAL &&
              history_parse_date("2026-11-23T22:10:05", &date) == -EINVAL &&
              history_parse_date("2026-11-23T22:10:05Zx", &date) == -EINVAL &&
              history_parse_date("2026-13-23T22:10:05Z", &date) == -EINVAL &&
              history_parse_date("20 6-11-23T22:10:05Z", &date) == -EINVAL,
          "anything else is refused");
}

int main(void)
{
    tags_are_found();
    dates_select_the_highest_revision();
    old_revisions_have_no_branches();
    what_is_no_tag_database_is_refused();
    dates_have_one_form();
    return tap_done();
}
