/* What the files of the tree share: its insides, and places.
 *
 * Private to tree.c, tree_place.c and tree_facts.c; everybody else includes tree.h. */
#ifndef CVMFSEXEC_CLIENT_TREE_INTERNAL_H
#define CVMFSEXEC_CLIENT_TREE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "payload/client/attachment.h"
#include "payload/client/directory.h"
#include "payload/client/tree.h"

#define MOUNTPOINT_FLAGS (CATALOG_FLAG_NESTED_MOUNTPOINT | CATALOG_FLAG_BIND_MOUNTPOINT)

struct tree {
    struct attachment_table *table;
    struct directory_cache *directories;
    _Atomic uint64_t root_base; /* inode base of the current root catalog */
    _Atomic bool restricted;
    _Atomic bool stores_xattrs;
    pthread_mutex_t facts_lock;
    struct tree_facts facts; /* what does not change within a revision */
};

/* Where children are: an attachment in use and the directory's path in its catalog. */
struct place {
    struct attachment *attachment;
    struct text path;
};

void place_release(struct tree *tree, struct place *place);

/* The node of a name in a place. 0, -ENOENT, -EIO, -ENOMEM. */
int place_lookup(const struct place *place, const char *name, size_t length,
                 struct tree_node *node);

/* Finds where the children of a directory are. The caller releases `place`, on failure too.
 * 0, -ENOENT, -ENOTDIR, -EIO, -ENOMEM. */
int tree_resolve(struct tree *tree, uint64_t directory, struct place *place, struct error *error);

/* The entry of an inode as its own catalog has it; the attachment comes back in use.
 * 0, -ENOENT, -EIO, -ENOMEM. */
int tree_own_entry(struct tree *tree, uint64_t inode, struct attachment **attachment,
                   struct catalog_entry *entry, struct error *error);

/* Whether a directory of an older revision stands for another entry now: the one at its path.
 * 0 with `*node` that entry, -ENOENT when nothing is there any more. */
int tree_redirect(struct tree *tree, const struct attachment *attachment,
                  const struct catalog_entry *entry, struct tree_node *node, struct error *error);

/* Fills a node for a row of an attachment that is in use. 0, -EIO, -ENOMEM. */
int tree_make_node(const struct attachment *attachment, const struct catalog_entry *entry,
                   struct tree_node *node);

/* Appends the path of a row in its catalog, by climbing from parent to parent; and the visible
 * path of what is at `path` there. 0, -EIO, -ENOMEM. */
int tree_climb(const struct attachment *attachment, const struct catalog_entry *entry,
               struct text *path);
int tree_append_visible(const struct attachment *attachment, const char *path,
                        struct text *visible);

#endif
