/* What files hold: pieces of objects in the cache, for any range of a file.
 *
 * There is no open file: the kernel never tells when a file is opened or closed (it is answered
 * ENOSYS once), so what is in use is inferred from reads, and the objects read last stay open. */
#ifndef CVMFSEXEC_CLIENT_CONTENT_H
#define CVMFSEXEC_CLIENT_CONTENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "payload/client/fetch.h"
#include "payload/client/tree.h"

struct content_store;

/* Neither tree nor fetcher are owned. */
int content_store_create(struct tree *tree, struct fetcher *fetcher, struct content_store **store);
void content_store_destroy(struct content_store *store);

/* Remembers what was just learned of a file, since a read of it is likely to follow. */
void content_note(struct content_store *store, const struct tree_node *node);

/* Bytes [offset, offset + length) of the object behind `fd`, which `object` keeps open. */
struct content_piece {
    int fd;
    off_t offset;
    size_t length;
    struct open_object *object;
};

#define CONTENT_PIECES 32

/* The pieces that make up a range of a file; fewer bytes than asked for at the file's end, or
 * where the range needs more than CONTENT_PIECES chunks and more than none is there. Missing
 * objects are fetched and checked first. 0 (with `*count` 0 at or behind the end), -EIO, -EISDIR,
 * -ENOENT, -ENOMEM. Give the pieces back with content_release. */
int content_read(struct content_store *store, uint64_t inode, uint64_t offset, size_t size,
                 struct content_piece pieces[CONTENT_PIECES], size_t *count, struct error *error);
void content_release(struct content_store *store, const struct content_piece *pieces, size_t count);

#endif
