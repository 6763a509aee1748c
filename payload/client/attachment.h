/* Attached catalogs: which catalog file stands for which part of the tree, and its inode numbers.
 *
 * Attachments are found by inode, or by place and hash. Database handles are opened when used and
 * closed again when many are open; the attachment itself, a few hundred bytes, stays. */
#ifndef CVMFSEXEC_CLIENT_ATTACHMENT_H
#define CVMFSEXEC_CLIENT_ATTACHMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/client/catalog.h"
#include "payload/client/fetch.h"

struct attachment {
    struct hash hash;
    char *mountpoint; /* visible path, "" for the root */
    char *root;       /* the same place in the catalog's own paths */
    uint64_t size;    /* of the catalog file, or OBJECT_SIZE_UNKNOWN */
    uint64_t base;    /* inode = base + row */
    uint64_t last_row;
    uint64_t mountpoint_inode; /* the inode of the directory that it is mounted on */
    struct catalog_statistics statistics;
    /* Guarded by the table's lock: */
    struct catalog *catalog; /* NULL while closed */
    unsigned users;          /* threads that hold it by attachment_use */
    uint64_t last_used;      /* the table's clock */
    uint64_t kernel_references;
    uint64_t generation; /* the newest revision that is known to contain it */
};

struct attachment_table;

int attachment_table_create(struct fetcher *fetcher, struct attachment_table **table);
void attachment_table_destroy(struct attachment_table *table);

/* Attaches the catalog `hash` at `mountpoint`, or finds it attached already, and marks it as part
 * of the current revision. Fetches it where `fd` is -1, else takes the given file. Comes back in
 * use: end that with attachment_release. 0, -EIO, -EINVAL (schema), -ENOMEM. */
int attachment_attach(struct attachment_table *table, const char *mountpoint,
                      uint64_t mountpoint_inode, const struct hash *hash, uint64_t size, int fd,
                      struct attachment **attachment, struct error *error);

/* The attachment that owns an inode, in use, its catalog open. 0, -ENOENT, -EIO, -ENOMEM. */
int attachment_find(struct attachment_table *table, uint64_t inode, struct attachment **attachment,
                    struct error *error);
void attachment_release(struct attachment_table *table, struct attachment *attachment);

/* The one that is mounted on `mountpoint_inode` in the current revision, in use, or NULL. */
struct attachment *attachment_mounted_on(struct attachment_table *table, uint64_t mountpoint_inode);

/* True when the current revision is known to contain it. */
bool attachment_is_current(struct attachment_table *table, const struct attachment *attachment);

/* A new revision begins: nothing is known to be part of it yet. */
void attachment_new_generation(struct attachment_table *table);
/* Drops what is not part of the current revision and not known to the kernel. Call it when the
 * kernel has had time to forget. */
void attachment_sweep(struct attachment_table *table);

/* Calls `visit` with the inodes of all directories in attachments that are not part of the current
 * revision but known to the kernel. A catalog that cannot be read any more is passed over. */
void attachment_stale_directories(struct attachment_table *table,
                                  void (*visit)(void *context, uint64_t inode), void *context);

void attachment_remember(struct attachment_table *table, uint64_t inode, uint64_t count);
void attachment_forget(struct attachment_table *table, uint64_t inode, uint64_t count);

/* Totals over the attachments of the current revision. */
void attachment_totals(struct attachment_table *table, uint64_t *catalogs, uint64_t *entries,
                       uint64_t *last_inode);

#endif
