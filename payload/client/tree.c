/* Inodes to entries, names to inodes, directories to slices: by way of the attached catalogs.
 * Knows nothing of FUSE, of owners, or of contents. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/client/tree_internal.h"

#define NAME_LIMIT 255

static int attach_root(struct tree *tree, int fd, const struct hash *hash, struct error *error)
{
    struct attachment *root;
    int result = attachment_attach(tree->table, "", TREE_ROOT, hash, 0, fd, &root, error);
    if (result < 0)
        return result;
    (void)pthread_mutex_lock(&tree->facts_lock);
    tree->facts.root = *hash;
    tree->facts.revision = catalog_revision(root->catalog);
    tree->facts.ttl = catalog_ttl(root->catalog);
    tree->facts.statistics = root->statistics;
    (void)pthread_mutex_unlock(&tree->facts_lock);
    const struct catalog_statistics *statistics = &root->statistics;
    atomic_store(&tree->stores_xattrs, !statistics->counts_xattrs ||
                                           statistics->self[COUNTER_XATTR] > 0 ||
                                           statistics->subtree[COUNTER_XATTR] > 0);
    atomic_store(&tree->restricted, catalog_voms_authz(root->catalog) != NULL);
    atomic_store(&tree->root_base, root->base);
    attachment_release(tree->table, root);
    return 0;
}

int tree_create(struct fetcher *fetcher, int root_fd, const struct hash *hash, struct tree **tree,
                struct error *error)
{
    struct tree *made = calloc(1, sizeof *made);
    if (!made)
        return error_system(error, -ENOMEM, "building the tree");
    (void)pthread_mutex_init(&made->facts_lock, NULL);
    int result = attachment_table_create(fetcher, &made->table);
    if (result == 0)
        result = directory_cache_create(&made->directories);
    if (result < 0)
        (void)error_system(error, result, "building the tree");
    else
        result = attach_root(made, root_fd, hash, error);
    if (result < 0) {
        tree_destroy(made);
        return result;
    }
    *tree = made;
    return 0;
}

void tree_destroy(struct tree *tree)
{
    if (!tree)
        return;
    attachment_table_destroy(tree->table);
    directory_cache_destroy(tree->directories);
    (void)pthread_mutex_destroy(&tree->facts_lock);
    free(tree);
}

int tree_switch(struct tree *tree, int root_fd, const struct hash *hash, struct error *error)
{
    attachment_sweep(tree->table); /* of the revision before the present one */
    /* Opened first, so that a bad file changes nothing. */
    struct catalog *probe;
    int result = catalog_open(root_fd, &probe, error);
    if (result < 0)
        return result;
    catalog_close(probe);
    attachment_new_generation(tree->table);
    result = attach_root(tree, root_fd, hash, error);
    directory_cache_clear(tree->directories);
    return result;
}

int tree_node(struct tree *tree, uint64_t inode, struct tree_node *node, struct error *error)
{
    struct attachment *attachment;
    struct catalog_entry entry;
    int result = tree_own_entry(tree, inode, &attachment, &entry, error);
    if (result < 0)
        return result;
    result = tree_make_node(attachment, &entry, node);
    if (result == 0 && S_ISDIR(entry.mode) && inode != TREE_ROOT &&
        !attachment_is_current(tree->table, attachment)) {
        struct tree_node now;
        if (tree_redirect(tree, attachment, &entry, &now, NULL) == 0)
            *node = now; /* what is gone shows as it last was, like a removed directory */
    }
    node->inode = inode;
    attachment_release(tree->table, attachment);
    return result;
}

int tree_lookup(struct tree *tree, uint64_t directory, const char *name, struct tree_node *node,
                struct error *error)
{
    size_t length = strlen(name);
    if (length > NAME_LIMIT)
        return -ENAMETOOLONG;
    struct place place = {NULL, TEXT_INIT};
    int result = tree_resolve(tree, directory, &place, error);
    if (result == 0)
        result = place_lookup(&place, name, length, node);
    place_release(tree, &place);
    return result;
}

struct gathering {
    struct tree_listing *listing;
    size_t most;
    uint64_t base;
};

/* A catalog_visitor: notes one row; hard links are settled afterwards, outside the catalog. */
static int gather(void *context, const struct catalog_entry *entry, const char *name,
                  size_t name_length, const char *symlink, size_t symlink_length)
{
    struct gathering *gathering = context;
    struct tree_listing *listing = gathering->listing;
    if (listing->count == gathering->most)
        return 1;
    struct tree_listed *item = &listing->items[listing->count];
    item->node.entry = *entry;
    item->node.source = item->node.inode = gathering->base + entry->row;
    item->cookie = entry->row;
    item->name = (uint32_t)listing->text.length;
    int result = text_append(&listing->text, name, name_length + 1);
    item->symlink = (uint32_t)listing->text.length;
    if (result == 0)
        result = text_append(&listing->text, symlink, symlink_length + 1);
    if (result == 0)
        listing->count++;
    return result;
}

int tree_list(struct tree *tree, uint64_t directory, uint64_t after, size_t most,
              struct tree_listing *listing, struct error *error)
{
    listing->count = 0;
    listing->text.length = 0;
    struct tree_listed *items = realloc(listing->items, most * sizeof(struct tree_listed));
    if (!items)
        return error_system(error, -ENOMEM, "listing a directory");
    listing->items = items;
    struct place place = {NULL, TEXT_INIT};
    int result = tree_resolve(tree, directory, &place, error);
    if (result == 0) {
        struct gathering gathering = {listing, most, place.attachment->base};
        struct path_hash hash;
        result = path_hash_compute(place.path.bytes, place.path.length, &hash);
        if (result == 0)
            result = catalog_list(place.attachment->catalog, &hash, after, gather, &gathering);
        if (result > 0)
            result = 0;
    }
    for (size_t index = 0; result == 0 && index < listing->count; index++) {
        const struct catalog_entry entry = listing->items[index].node.entry;
        if (entry.hardlink_group)
            result = tree_make_node(place.attachment, &entry, &listing->items[index].node);
    }
    place_release(tree, &place);
    return result;
}

void tree_listing_free(struct tree_listing *listing)
{
    free(listing->items);
    text_free(&listing->text);
    *listing = (struct tree_listing){.items = NULL};
}

int tree_parent(struct tree *tree, uint64_t directory, uint64_t *parent, struct error *error)
{
    *parent = TREE_ROOT;
    if (directory == TREE_ROOT)
        return 0;
    struct attachment *attachment;
    struct catalog_entry entry;
    int result = tree_own_entry(tree, directory, &attachment, &entry, error);
    if (result < 0)
        return result;
    struct path_hash root;
    result = path_hash_compute(attachment->root, strlen(attachment->root), &root);
    struct catalog_entry above;
    if (result == 0 && root.first == entry.parent.first && root.second == entry.parent.second)
        *parent = attachment->mountpoint_inode;
    else if (result == 0 &&
             (result = catalog_find(attachment->catalog, &entry.parent, &above)) == 0)
        *parent = attachment->base + above.row;
    attachment_release(tree->table, attachment);
    return result;
}

void tree_stale_directories(struct tree *tree, void (*visit)(void *context, uint64_t inode),
                            void *context)
{
    attachment_stale_directories(tree->table, visit, context);
}

void tree_remember(struct tree *tree, uint64_t inode, uint64_t count)
{
    attachment_remember(tree->table, inode, count);
}

void tree_forget(struct tree *tree, uint64_t inode, uint64_t count)
{
    attachment_forget(tree->table, inode, count);
}
