/* Reading ahead across files: when a reader goes through the small files of a directory one by one,
 * what it comes to next is made known to the kernel before it asks.
 *
 * Each file of a fresh mount costs two requests, one for its name and one for its content, and on
 * most machines it is the waking of processors that takes the time. So the directory is listed
 * through the mount itself, which tells the kernel all of its names and attributes in few requests,
 * and files whose content is in the cache are read ahead, which asks for many at a time. Nothing is
 * ever downloaded for this. */
#ifndef CVMFSEXEC_CLIENT_NEIGHBOURS_H
#define CVMFSEXEC_CLIENT_NEIGHBOURS_H

#include "payload/client/cache.h"
#include "payload/client/tree.h"

struct neighbours;

/* `mountpoint` is where the tree is mounted, as this process sees it; it is copied. The mount must
 * be served by other threads. Neither tree nor cache are owned. 0 or -ENOMEM. */
int neighbours_create(struct tree *tree, struct cache *cache, const char *mountpoint,
                      struct neighbours **neighbours);

/* Ends its threads. To be called when the session has ended: a thread that lists waits for it. */
void neighbours_destroy(struct neighbours *neighbours);

/* A name was looked up in `directory`; a file's content was asked for from its beginning. Both are
 * cheap, and allow NULL. */
void neighbours_looked_up(struct neighbours *neighbours, uint64_t directory,
                          const struct tree_node *node);
void neighbours_read(struct neighbours *neighbours, uint64_t inode);

#endif
