/* Reading ahead across files: when a reader goes through the small files of a directory one by one,
 * what he comes to next is made known to the kernel before it asks (preparation.h).
 *
 * Each file of a fresh mount costs two requests, one for its name and one for its content, and on
 * most machines it is the waking of processors that takes the time. */
#ifndef CVMFSEXEC_CLIENT_NEIGHBOURS_H
#define CVMFSEXEC_CLIENT_NEIGHBOURS_H

#include <stdbool.h>

#include "payload/client/fetch.h"
#include "payload/client/preparation.h"
#include "payload/client/tree.h"

struct neighbours;

/* `mountpoint` is where the tree is mounted, as this process sees it; it is copied. The mount must
 * be served by other threads. Neither tree nor fetcher are owned. 0 or -ENOMEM. */
int neighbours_create(struct tree *tree, struct fetcher *fetcher, const char *mountpoint,
                      content_storer *store, void *store_context, void (*on_wait)(void),
                      struct neighbours **neighbours);

/* Contents are not stored any more: the session ends, or the kernel is one that names are not
 * hidden from. When this returns, none is being stored. */
void neighbours_stop_storing(struct neighbours *neighbours);

/* Ends its threads. To be called when the session has ended: a thread that lists waits for it. */
void neighbours_destroy(struct neighbours *neighbours);

/* The functions below allow NULL. */

/* A name was looked up in `directory`. To be called before that is answered: it may wait for
 * milliseconds, behind a call of `on_wait`. False when the name has to be good for no time. */
bool neighbours_looked_up(struct neighbours *neighbours, uint64_t directory,
                          const struct tree_node *node);

/* The same for an entry of `directory` that is listed together with its inode. */
bool neighbours_listed(struct neighbours *neighbours, uint64_t directory,
                       const struct tree_listed *entry);

/* A file's content was asked for from its beginning. */
void neighbours_read(struct neighbours *neighbours, uint64_t inode);

#endif
