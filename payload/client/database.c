/* SQLite over a descriptor: a file system for SQLite that only knows how to read one open file, and
 * the settings that every connection of this process shares. Knows no table. */
#include "payload/client/database.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

/* No string, blob or row of a valid database comes near this; a broken length stops here. */
#define LONGEST_VALUE (1 << 20)

struct descriptor_file {
    sqlite3_file base; /* first, as SQLite demands */
    int fd;
    sqlite3_int64 size;
};

static int file_close(sqlite3_file *base)
{
    struct descriptor_file *file = (struct descriptor_file *)base;
    (void)close(file->fd); /* was only read */
    file->fd = -1;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *buffer, int length, sqlite3_int64 offset)
{
    const struct descriptor_file *file = (const struct descriptor_file *)base;
    ssize_t count = file_pread_full(file->fd, buffer, (size_t)length, offset);
    if (count < 0)
        return SQLITE_IOERR_READ;
    if (count == length)
        return SQLITE_OK;
    memset((char *)buffer + count, 0, (size_t)(length - count));
    return SQLITE_IOERR_SHORT_READ;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = ((const struct descriptor_file *)base)->size;
    return SQLITE_OK;
}

static int refuse_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset)
{
    (void)file;
    (void)bytes;
    (void)length;
    (void)offset;
    return SQLITE_READONLY;
}

static int refuse_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    (void)file;
    (void)size;
    return SQLITE_READONLY;
}

static int ignore_level(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int report_unlocked(sqlite3_file *file, int *locked)
{
    (void)file;
    *locked = 0;
    return SQLITE_OK;
}

static int know_no_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

/* Immutable: SQLite takes no locks and looks for no journal. */
static int characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods descriptor_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = refuse_write,
    .xTruncate = refuse_truncate,
    .xSync = ignore_level,
    .xFileSize = file_size,
    .xLock = ignore_level,
    .xUnlock = ignore_level,
    .xCheckReservedLock = report_unlocked,
    .xFileControl = know_no_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
};

/* The name of a database is the number of a descriptor, which the file owns from here on. */
static int system_open(sqlite3_vfs *system, const char *name, sqlite3_file *base, int flags,
                       int *flags_out)
{
    (void)system;
    base->pMethods = NULL; /* no close after a failure */
    if (!name || !(flags & SQLITE_OPEN_MAIN_DB))
        return SQLITE_CANTOPEN; /* temporary files stay in memory */
    struct descriptor_file *file = (struct descriptor_file *)base;
    auto_fd int fd = fcntl(atoi(name), F_DUPFD_CLOEXEC, 0);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        return SQLITE_CANTOPEN;
    file->fd = steal_fd(&fd);
    file->size = status.st_size;
    file->base.pMethods = &descriptor_methods;
    if (flags_out)
        *flags_out = SQLITE_OPEN_READONLY;
    return SQLITE_OK;
}

static int system_access(sqlite3_vfs *system, const char *name, int flags, int *result)
{
    (void)system;
    (void)name;
    (void)flags;
    *result = 0; /* no journal, no write-ahead log, ever */
    return SQLITE_OK;
}

static int system_delete(sqlite3_vfs *system, const char *name, int synchronous)
{
    (void)system;
    (void)name;
    (void)synchronous;
    return SQLITE_READONLY;
}

static int system_full_path(sqlite3_vfs *system, const char *name, int capacity, char *path)
{
    (void)system;
    (void)sqlite3_snprintf(capacity, path, "%s", name);
    return SQLITE_OK;
}

/* Seeds names of temporary files, of which there are none. */
static int system_random(sqlite3_vfs *system, int count, char *bytes)
{
    (void)system;
    memset(bytes, 0, (size_t)count);
    return count;
}

static int system_sleep(sqlite3_vfs *system, int microseconds)
{
    (void)system;
    return microseconds; /* nobody waits for a lock here */
}

static int system_time(sqlite3_vfs *system, double *julian_day)
{
    (void)system;
    *julian_day = 2440587.5 + (double)time(NULL) / 86400.0; /* the Unix epoch is 2440587.5 */
    return SQLITE_OK;
}

static int system_last_error(sqlite3_vfs *system, int capacity, char *text)
{
    (void)system;
    (void)capacity;
    (void)text;
    return errno;
}

static sqlite3_vfs descriptor_system = {
    .iVersion = 1,
    .szOsFile = sizeof(struct descriptor_file),
    .mxPathname = 32,
    .zName = "descriptor",
    .xOpen = system_open,
    .xDelete = system_delete,
    .xAccess = system_access,
    .xFullPathname = system_full_path,
    .xRandomness = system_random,
    .xSleep = system_sleep,
    .xCurrentTime = system_time,
    .xGetLastError = system_last_error,
};

/* Once per process. Without memory statistics SQLite needs no lock around its allocator; lookaside
 * buffers and pages allocated ahead would be most of what an idle connection holds. Should SQLite
 * run already, these are refused and nothing but that memory is lost. */
static void prepare_process(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    (void)sqlite3_vfs_register(&descriptor_system, 0);
}

/* The transaction that begins here stays open: it saves every statement one of its own, and nobody
 * writes. */
static int connection_configure(sqlite3 *database, int cache_kib)
{
    static const int off[] = {SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_ENABLE_TRIGGER,
                              SQLITE_DBCONFIG_ENABLE_VIEW, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION};
    for (size_t index = 0; index < sizeof off / sizeof off[0]; index++)
        (void)sqlite3_db_config(database, off[index], 0, NULL); /* an older SQLite knows fewer */
    (void)sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);

    (void)sqlite3_limit(database, SQLITE_LIMIT_LENGTH, LONGEST_VALUE);
    (void)sqlite3_limit(database, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_limit(database, SQLITE_LIMIT_EXPR_DEPTH, 20);
    (void)sqlite3_limit(database, SQLITE_LIMIT_COLUMN, 100);

    char settings[64];
    (void)sqlite3_snprintf(sizeof settings, settings,
                           "PRAGMA temp_store=MEMORY; PRAGMA cache_size=%d; BEGIN", -cache_kib);
    return sqlite3_exec(database, settings, NULL, NULL, NULL);
}

int database_open(int fd, int cache_kib, sqlite3 **database, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, prepare_process);

    char name[16];
    (void)sqlite3_snprintf(sizeof name, name, "%d", fd);
    sqlite3 *opened = NULL;
    int result = sqlite3_open_v2(name, &opened, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
                                 descriptor_system.zName);
    if (result == SQLITE_OK)
        result = connection_configure(opened, cache_kib);
    if (result != SQLITE_OK) {
        int code = error_set(error, database_failure(result), "opening the database: %s",
                             opened ? sqlite3_errmsg(opened) : sqlite3_errstr(result));
        (void)sqlite3_close(opened);
        return code;
    }
    *database = opened;
    return 0;
}

int database_prepare(sqlite3 *database, const char *sql, sqlite3_stmt **statement)
{
    int result = sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    return result == SQLITE_OK ? 0 : database_failure(result);
}

int database_failure(int result)
{
    return (result & 0xff) == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

bool database_has_column(sqlite3 *database, const char *table, const char *column)
{
    return sqlite3_table_column_metadata(database, "main", table, column, NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}
