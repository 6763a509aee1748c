/* The namespace of the repository: inodes and directories over the catalogs that make it up.
 *
 * Nothing is kept per file. Every attached catalog owns a range of inode numbers, and an inode is
 * the base of its catalog's range plus the row of its entry there; so an inode always means the
 * same content, and a new revision gives every changed catalog new numbers while unchanged ones
 * keep theirs, and with them all that the kernel has cached. A catalog that belongs to no current
 * revision stays until the kernel has forgotten the last inode of it.
 *
 * May be used by several threads. */
#ifndef CVMFSEXEC_CLIENT_TREE_H
#define CVMFSEXEC_CLIENT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/client/catalog.h"
#include "payload/client/fetch.h"

#define TREE_ROOT 1 /* the kernel's number of the root; its entry shows as inode 256 */
#define TREE_FIRST_INODE 256

struct tree;

/* What is known of one inode. Plain values: nothing to free. */
struct tree_node {
    uint64_t inode;  /* the kernel's number: TREE_ROOT or at least TREE_FIRST_INODE */
    uint64_t source; /* the number of the very row that `entry` is: differs from `inode` for the
                        root, further names of a hard link, directories of an old revision */
    struct catalog_entry entry;
};

/* `root_fd` is a catalog file (which stays the caller's), `hash` its name. The fetcher is
 * not owned. 0, or what catalog_open says. */
int tree_create(struct fetcher *fetcher, int root_fd, const struct hash *hash, struct tree **tree,
                struct error *error);
void tree_destroy(struct tree *tree);

/* Switches to another root catalog. Inodes handed out before stay valid: files keep their content,
 * directories show what now is at their path. On failure the old revision stays. */
int tree_switch(struct tree *tree, int root_fd, const struct hash *hash, struct error *error);

/* 0, -ENOENT (no such inode or name), -ENOTDIR, -EIO (a catalog cannot be had; `error` says
 * which), -ENOMEM. A nested catalog is fetched when a directory below it is first looked into. */
int tree_node(struct tree *tree, uint64_t inode, struct tree_node *node, struct error *error);
int tree_lookup(struct tree *tree, uint64_t directory, const char *name, struct tree_node *node,
                struct error *error);

/* A slice of a directory, without "." and "..". Names and link texts live in `text`. */
struct tree_listing {
    struct tree_listed {
        struct tree_node node;
        uint32_t name;    /* offset of the name in text.bytes; NUL-terminated */
        uint32_t symlink; /* offset of the link text */
        uint64_t cookie;  /* what to pass as `after` to go on behind this entry; at least 1 */
    } * items;
    size_t count;
    struct text text;
};

/* Up to `most` entries behind `after` (0: from the beginning). Reuses what `listing` holds;
 * release it with tree_listing_free. Count 0 is the end. Errors as above. */
int tree_list(struct tree *tree, uint64_t directory, uint64_t after, size_t most,
              struct tree_listing *listing, struct error *error);
void tree_listing_free(struct tree_listing *listing);

/* The offset in the kernel's listing of a directory at which to go on behind an entry: 1 is behind
 * ".", 2 behind "..". */
static inline int64_t tree_offset(uint64_t cookie)
{
    return cookie == 0 ? 0 : (int64_t)cookie + 2;
}

/* The inode of a directory's parent; the root is its own. */
int tree_parent(struct tree *tree, uint64_t directory, uint64_t *parent, struct error *error);

/* Calls `visit` with every directory's inode that an earlier revision has given to the kernel, and
 * perhaps some that the kernel does not know: each shows the present revision by now. */
void tree_stale_directories(struct tree *tree, void (*visit)(void *context, uint64_t inode),
                            void *context);

/* The kernel holds `count` references more, or less, of an inode. */
void tree_remember(struct tree *tree, uint64_t inode, uint64_t count);
void tree_forget(struct tree *tree, uint64_t inode, uint64_t count);

/* Of one node, from its catalog. Errors as for the catalog functions of those names. */
int tree_symlink(struct tree *tree, const struct tree_node *node, struct text *target);
int tree_xattrs(struct tree *tree, const struct tree_node *node, struct text *blob);
int tree_chunks(struct tree *tree, const struct tree_node *node, struct catalog_chunk **chunks,
                size_t *count);
/* The path of the node within the repository ("" for the root). */
int tree_path(struct tree *tree, const struct tree_node *node, struct text *path);

/* The catalog that a node belongs to; a nested mountpoint belongs to the nested catalog once that
 * is attached. */
struct tree_catalog_facts {
    struct hash hash;
    struct catalog_statistics statistics;
    char *mountpoint; /* visible path, "" for the root; the caller frees it */
};
int tree_catalog_facts(struct tree *tree, const struct tree_node *node,
                       struct tree_catalog_facts *facts);

/* Of the whole. */
struct tree_facts {
    struct hash root;
    uint64_t revision;
    uint32_t ttl;                         /* seconds */
    uint64_t last_inode;                  /* the highest number that can have been given out */
    uint64_t attached_catalogs;           /* of the current revision */
    uint64_t attached_entries;            /* entries in them */
    struct catalog_statistics statistics; /* of the root catalog */
};
void tree_facts(struct tree *tree, struct tree_facts *facts);

/* False when the statistics say that no entry of this revision has a stored xattr. */
bool tree_stores_xattrs(const struct tree *tree);

/* The root catalog asks for an authorisation of its readers (voms_authz). */
bool tree_is_restricted(const struct tree *tree);

#endif
