/* SQLite files from outside, opened for reading by descriptor: catalogs and the tag history.
 *
 * The file is taken as immutable: no locks, no journal, never written to. It is read through a
 * descriptor and not by name, because a cache clean-up may have unlinked it already. What is in it
 * may not run anything: views, triggers and functions of the schema are off. */
#ifndef CVMFSEXEC_CLIENT_DATABASE_H
#define CVMFSEXEC_CLIENT_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "payload/base/error.h"

/* Opens the database behind `fd`, a regular file, keeping at most `cache_kib` KiB of its pages.
 * Reads nothing yet but its size: a file that is no database shows at the first statement. The
 * descriptor stays the caller's and may be closed afterwards. The connection has no locks of its
 * own: one thread at a time. Close it with sqlite3_close. 0 or a negative errno. */
int database_open(int fd, int cache_kib, sqlite3 **database, struct error *error);

/* Compiles a statement that will be used many times. 0, or as database_failure. */
int database_prepare(sqlite3 *database, const char *sql, sqlite3_stmt **statement);

/* The errno for a result of SQLite that is no success: -ENOMEM, else -EIO. */
int database_failure(int result);

/* True for a column of a real table (not of a view). */
bool database_has_column(sqlite3 *database, const char *table, const char *column);

static inline void scope_finalize_statement(sqlite3_stmt **statement)
{
    (void)sqlite3_finalize(*statement); /* repeats the result of the last step */
}

#define auto_statement __attribute__((cleanup(scope_finalize_statement)))

#endif
