/* What the parts of an open catalog share; for catalog*.c alone. */
#ifndef CVMFSEXEC_CLIENT_CATALOG_INTERNAL_H
#define CVMFSEXEC_CLIENT_CATALOG_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "payload/client/catalog.h"

/* What the schema revision of this catalog offers: found by looking, not by its number. */
struct catalog_schema {
    int version;  /* in ten-thousandths: 2.5 is 25000 */
    int revision; /* schema_revision, 0 when absent */
    bool hardlinks;
    bool owner;
    bool xattr;
    bool nanoseconds;
    bool chunks;
    bool nested_size;
    bool bind_mountpoints;
};

struct catalog_properties {
    uint64_t revision;
    uint32_t ttl;
    bool is_volatile;
    char *root_prefix; /* never NULL in an open catalog */
    char *voms_authz;
};

enum catalog_statement {
    STATEMENT_FIND,
    STATEMENT_FIND_ROW,
    STATEMENT_LIST,
    STATEMENT_DIRECTORIES,
    STATEMENT_NAME,
    STATEMENT_SYMLINK,
    STATEMENT_XATTR,
    STATEMENT_CHUNKS,
    STATEMENT_NESTED,
    STATEMENT_BIND,
    STATEMENT_COUNT
};

/* The lowest row of each hard link group, in ascending order of groups. */
struct catalog_group {
    uint64_t row;
    uint32_t group;
};

struct catalog {
    sqlite3 *database;
    pthread_mutex_t lock; /* around everything below, and every use of the database */
    sqlite3_stmt *statements[STATEMENT_COUNT]; /* NULL until first used */
    struct catalog_group *groups;
    size_t group_count;
    bool groups_known;
    bool warm;
    uint64_t last_used; /* read by other catalogs' threads, atomically (catalog_warm.c) */
    /* Constant from here on. */
    struct catalog_schema schema;
    struct catalog_properties properties;
    struct catalog_statistics statistics;
    uint64_t last_row;
};

/* Takes the catalog's lock and the statement, compiled the first time. Every success is ended by
 * catalog_statement_end. 0, -EIO, -ENOMEM (the lock is free then). */
int catalog_statement_begin(struct catalog *catalog, enum catalog_statement which,
                            sqlite3_stmt **statement);
void catalog_statement_end(struct catalog *catalog, sqlite3_stmt *statement);

/* Called with the catalog's lock held at every use: it may fill its page cache now, and the one
 * unused for the longest time gives its pages back where too many are warm. */
void catalog_warm(struct catalog *catalog);
/* The catalog is about to go. */
void catalog_forget_warmth(struct catalog *catalog);

/* Reads properties, columns and statistics of a catalog whose database is open.
 * -EINVAL for a schema that is refused, -EIO, -ENOMEM. */
int catalog_schema_load(struct catalog *catalog, struct error *error);

#endif
