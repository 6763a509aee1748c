/* Directories made ready for a reader of their small files: the kernel is told names and attributes
 * of all, and given the contents of those that the cache has. He then finds a file without a
 * request.
 *
 * A directory that nobody has come to yet is hidden (exposure.h), listed through the mount, so that
 * the kernel has inodes, and contents are stored into them. Where somebody may be already, or the
 * directory is large, that is done part by part: the names in it are hidden, and it is listed a
 * second time, to be seen. Meanwhile the next directory or part is listed. */
#ifndef CVMFSEXEC_CLIENT_PREPARATION_H
#define CVMFSEXEC_CLIENT_PREPARATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/client/exposure.h"
#include "payload/client/fetch.h"
#include "payload/client/tree.h"

/* Puts the content of a whole file into the kernel's page cache. 0, or a negative errno: the kernel
 * does not know the file (any more). */
typedef int content_storer(void *context, uint64_t inode, const char *bytes, size_t length);

struct preparation;

/* `mountpoint` is where the tree is mounted, as this process sees it; it is copied, the others are
 * not owned. Starts a thread. 0 or a negative errno. Destroying allows NULL. */
int preparation_create(struct tree *tree, struct fetcher *fetcher, struct exposure *exposure,
                       const char *mountpoint, content_storer *store, void *store_context,
                       struct preparation **preparation);
void preparation_destroy(struct preparation *preparation);

/* Lets a directory be prepared behind the others, from behind the cookie `after` on (tree.h). What
 * is too much is passed over. */
void preparation_add(struct preparation *preparation, const struct tree_node *directory,
                     uint64_t after);

/* Goes on with the preparation by some files. False when there is nothing to be done. Nothing is
 * ever downloaded for this. */
bool preparation_step(struct preparation *preparation);

/* A directory too large to be prepared at once, and the cookie up to which it is: the last one of
 * those that were begun since the last call. False when there was none. */
bool preparation_left(struct preparation *preparation, uint64_t *directory, uint64_t *after);

#endif
