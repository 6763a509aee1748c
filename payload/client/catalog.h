/* One file catalog: an SQLite database read as the table of a directory tree
 * (cvmfs-format.md 5). Knows nothing of other catalogs, of inodes, or of where the file came from.
 *
 * All paths here are in the catalog's own space: "" or "/a/b", as hashed in its rows; a catalog
 * under a bind mountpoint shows at another place than it says. A catalog may be used by several
 * threads; calls on one catalog wait for each other. */
#ifndef CVMFSEXEC_CLIENT_CATALOG_H
#define CVMFSEXEC_CLIENT_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/client/hash.h"

struct catalog;

enum catalog_flag {
    CATALOG_FLAG_NESTED_MOUNTPOINT = 1 << 1,
    CATALOG_FLAG_NESTED_ROOT = 1 << 5,
    CATALOG_FLAG_CHUNKED = 1 << 6,
    CATALOG_FLAG_EXTERNAL = 1 << 7,
    CATALOG_FLAG_BIND_MOUNTPOINT = 1 << 14,
    CATALOG_FLAG_HIDDEN = 1 << 15,
    CATALOG_FLAG_DIRECT_IO = 1 << 16,
};

/* One row. Plain values: nothing to free. */
struct catalog_entry {
    uint64_t row;            /* rowid, at least 1 */
    struct path_hash path;   /* of this entry */
    struct path_hash parent; /* of its directory; 0,0 for the repository root */
    uint64_t size;           /* bytes; symlink text length; dev_t of a device */
    int64_t mtime;           /* seconds */
    uint32_t mtime_nanoseconds;
    uint32_t mode;           /* full st_mode */
    uint32_t links;          /* at least 1 */
    uint32_t hardlink_group; /* 0: in none */
    uint32_t uid, gid;
    uint32_t flags;          /* enum catalog_flag */
    struct hash hash;        /* null for directories, links, special and chunked files */
    uint8_t chunk_algorithm; /* enum hash_algorithm for the chunks of this row */
    bool compressed;         /* stored as zlib: flag bits 11-13 */
    bool has_xattrs;         /* the row's xattr blob is not NULL */
};

/* Opens the database behind `fd` (a regular file, immutable; the descriptor may be closed
 * afterwards). Refuses schemas that cvmfs-format.md 5.1 refuses with -EINVAL, what is no SQLite
 * database or lacks tables with -EIO. */
int catalog_open(int fd, struct catalog **catalog, struct error *error);
void catalog_close(struct catalog *catalog);

/* By path hash, or by row. 0, -ENOENT, -EIO. */
int catalog_find(struct catalog *catalog, const struct path_hash *path,
                 struct catalog_entry *entry);
int catalog_find_row(struct catalog *catalog, uint64_t row, struct catalog_entry *entry);

/* Appends the row's name (raw bytes), or its symlink text as stored. 0, -ENOENT, -EIO, -ENOMEM. */
int catalog_name(struct catalog *catalog, uint64_t row, struct text *name);
int catalog_symlink(struct catalog *catalog, uint64_t row, struct text *target);

/* One listed entry; return 0 to go on, anything else stops the listing and is its result. `name`
 * has `name_length` bytes and a NUL behind them, `symlink` likewise ("" for what is no link);
 * both are gone after the call. */
typedef int catalog_visitor(void *context, const struct catalog_entry *entry, const char *name,
                            size_t name_length, const char *symlink, size_t symlink_length);

/* Visits the entries of a directory in ascending order of rows, those with row > `after` only;
 * hidden ones are left out. The visitor must not call into the same catalog. 0, the visitor's
 * value, or -EIO. */
int catalog_list(struct catalog *catalog, const struct path_hash *directory, uint64_t after,
                 catalog_visitor *visitor, void *context);

/* The rows of directories behind row `after` in ascending order, `most` of them at most; returns
 * how many, or -EIO, -ENOMEM. */
int catalog_directories(struct catalog *catalog, uint64_t after, uint64_t *rows, int most);

/* The catalog that is mounted at exactly `path`: from nested_catalogs, else from
 * bind_mountpoints (`*bind` says which). `*size` is 0 where the schema does not tell.
 * 0, -ENOENT, -EIO. */
int catalog_nested(struct catalog *catalog, const char *path, size_t length, struct hash *hash,
                   uint64_t *size, bool *bind);

struct catalog_chunk {
    struct hash hash;
    uint64_t offset;
    uint64_t size;
};

/* The chunks of a file in order; the caller frees `*chunks`. Checked to be contiguous from 0 to
 * the file's size. 0, -EIO, -ENOMEM. */
int catalog_chunks(struct catalog *catalog, const struct catalog_entry *entry,
                   struct catalog_chunk **chunks, size_t *count);

/* Appends the row's raw xattr blob (nothing for NULL). 0, -ENOENT, -EIO, -ENOMEM. */
int catalog_xattrs(struct catalog *catalog, uint64_t row, struct text *blob);

/* The lowest row of a hard link group. The first call reads the whole table once, later ones
 * search in memory. 0, -ENOENT, -EIO, -ENOMEM. */
int catalog_hardlink_row(struct catalog *catalog, uint32_t group, uint64_t *row);

/* The highest row there is. */
uint64_t catalog_last_row(const struct catalog *catalog);

/* Statistics in the order of their names, as user.repo_counters prints them
 * (cvmfs-format.md 5.2 and 10.6); those a revision does not have are 0. */
enum catalog_counter {
    COUNTER_CHUNKED,
    COUNTER_CHUNKED_SIZE,
    COUNTER_CHUNKS,
    COUNTER_DIR,
    COUNTER_EXTERNAL,
    COUNTER_EXTERNAL_FILE_SIZE,
    COUNTER_FILE_SIZE,
    COUNTER_NESTED,
    COUNTER_REGULAR,
    COUNTER_SPECIAL,
    COUNTER_SYMLINK,
    COUNTER_XATTR,
    COUNTER_COUNT
};
extern const char *const catalog_counter_names[COUNTER_COUNT];

struct catalog_statistics {
    uint64_t self[COUNTER_COUNT];
    uint64_t subtree[COUNTER_COUNT];
    bool counts_xattrs; /* the schema revision has the xattr counter: a 0 means none */
};
const struct catalog_statistics *catalog_statistics(const struct catalog *catalog);

/* Properties of the catalog. */
uint64_t catalog_revision(const struct catalog *catalog);
uint32_t catalog_ttl(const struct catalog *catalog);            /* seconds, 240 when absent */
const char *catalog_root_prefix(const struct catalog *catalog); /* "" for a root catalog */
bool catalog_is_volatile(const struct catalog *catalog);
const char *catalog_voms_authz(const struct catalog *catalog); /* NULL when there is none */

#endif
