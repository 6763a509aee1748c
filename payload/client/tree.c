/* Inodes to entries, names to inodes, directories to slices: by way of the attached catalogs.
 * Knows nothing of FUSE, of owners, or of contents. */
#include "payload/client/tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/base/scope.h"
#include "payload/client/attachment.h"
#include "payload/client/directory.h"

#define NAME_LIMIT 255
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

static void place_release(struct tree *tree, struct place *place)
{
    if (place->attachment)
        attachment_release(tree->table, place->attachment);
    place->attachment = NULL;
    text_free(&place->path);
}

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

/* Appends the path of a row in its catalog, by climbing from parent to parent. */
static int climb(const struct attachment *attachment, const struct catalog_entry *entry,
                 struct text *path)
{
    struct path_hash root;
    int result = path_hash_compute(attachment->root, strlen(attachment->root), &root);
    auto_text struct text reversed = TEXT_INIT; /* names, last first, each behind its length */
    struct catalog_entry at = *entry;
    size_t depth = 0;
    while (result == 0 && (at.path.first != root.first || at.path.second != root.second)) {
        auto_text struct text name = TEXT_INIT;
        result = catalog_name(attachment->catalog, at.row, &name);
        if (result == 0 && (name.length == 0 || ++depth > 4096))
            result = -EIO; /* rows that are their own ancestors */
        uint16_t length = (uint16_t)name.length;
        if (result == 0)
            result = text_append(&reversed, name.bytes, length);
        if (result == 0)
            result = text_append(&reversed, &length, sizeof length);
        if (result == 0) {
            const struct path_hash parent = at.parent;
            result = catalog_find(attachment->catalog, &parent, &at);
        }
    }
    if (result == 0)
        result = text_append_string(path, attachment->root);
    for (size_t end = reversed.length; result == 0 && end > 0;) {
        uint16_t length;
        memcpy(&length, reversed.bytes + end - sizeof length, sizeof length);
        end -= sizeof length + length;
        result = text_append(path, "/", 1);
        if (result == 0)
            result = text_append(path, reversed.bytes + end, length);
    }
    return result == -ENOENT ? -EIO : result;
}

/* The visible path of what is at `path` in the catalog of `attachment`. */
static int append_visible(const struct attachment *attachment, const char *path,
                          struct text *visible)
{
    int result = text_append_string(visible, attachment->mountpoint);
    return result < 0 ? result : text_append_string(visible, path + strlen(attachment->root));
}

/* Attaches what is mounted on the directory `inode` at `place`, and moves there. */
static int enter_mountpoint(struct tree *tree, uint64_t inode, struct place *place,
                            struct error *error)
{
    struct attachment *inner = attachment_mounted_on(tree->table, inode);
    if (!inner) {
        struct hash hash;
        uint64_t size;
        bool bind;
        int result = catalog_nested(place->attachment->catalog, place->path.bytes,
                                    place->path.length, &hash, &size, &bind);
        if (result < 0)
            return error_set(error, -EIO, "no catalog is listed for the mountpoint %s",
                             place->path.bytes);
        auto_text struct text visible = TEXT_INIT;
        result = append_visible(place->attachment, place->path.bytes, &visible);
        if (result == 0)
            result = attachment_attach(tree->table, visible.bytes, inode, &hash, size, -1, &inner,
                                       error);
        if (result < 0)
            return result;
    }
    attachment_release(tree->table, place->attachment);
    place->attachment = inner;
    place->path.length = 0;
    return text_append_string(&place->path, inner->root);
}

static int resolve(struct tree *tree, uint64_t directory, struct place *place, struct error *error);

/* Fills a node for a row of an attachment that is in use. */
static int make_node(const struct attachment *attachment, const struct catalog_entry *entry,
                     struct tree_node *node)
{
    uint64_t row = entry->row;
    if (entry->hardlink_group) {
        int result = catalog_hardlink_row(attachment->catalog, entry->hardlink_group, &row);
        if (result < 0)
            return result;
    }
    node->entry = *entry;
    node->source = attachment->base + entry->row;
    node->inode = attachment->base + row;
    return 0;
}

static int lookup_at(const struct place *place, const char *name, size_t length,
                     struct tree_node *node)
{
    auto_text struct text path = TEXT_INIT;
    int result = text_reserve(&path, place->path.length + 1 + length);
    if (result == 0)
        result = text_append(&path, place->path.bytes, place->path.length);
    if (result == 0)
        result = text_append(&path, "/", 1);
    if (result == 0)
        result = text_append(&path, name, length);
    struct path_hash hash;
    if (result == 0)
        result = path_hash_compute(path.bytes, path.length, &hash);
    struct catalog_entry entry;
    if (result == 0)
        result = catalog_find(place->attachment->catalog, &hash, &entry);
    return result < 0 ? result : make_node(place->attachment, &entry, node);
}

/* The node at a visible path in the current revision. */
static int walk(struct tree *tree, const char *path, struct tree_node *node, struct error *error)
{
    int result = tree_node(tree, TREE_ROOT, node, error);
    while (result == 0 && *path == '/') {
        const char *name = path + 1;
        size_t length = strcspn(name, "/");
        struct place place = {NULL, TEXT_INIT};
        result = resolve(tree, node->inode, &place, error);
        if (result == 0)
            result = lookup_at(&place, name, length, node);
        place_release(tree, &place);
        path = name + length;
    }
    return result;
}

/* The entry of an inode as its own catalog has it; the attachment comes back in use. */
static int own_entry(struct tree *tree, uint64_t inode, struct attachment **attachment,
                     struct catalog_entry *entry, struct error *error)
{
    if (inode == TREE_ROOT) {
        int result =
            attachment_find(tree->table, atomic_load(&tree->root_base) + 1, attachment, error);
        if (result < 0)
            return result;
        struct path_hash hash;
        const char *root = (*attachment)->root;
        result = path_hash_compute(root, strlen(root), &hash);
        if (result == 0)
            result = catalog_find((*attachment)->catalog, &hash, entry);
        if (result < 0)
            attachment_release(tree->table, *attachment);
        return result < 0 ? error_system(error, -EIO, "the root catalog has no root entry") : 0;
    }
    int result = attachment_find(tree->table, inode, attachment, error);
    if (result < 0)
        return result;
    result = catalog_find_row((*attachment)->catalog, inode - (*attachment)->base, entry);
    if (result < 0) {
        attachment_release(tree->table, *attachment);
        return error_system(error, result, "inode %llu", (unsigned long long)inode);
    }
    return 0;
}

/* Whether a directory of an older revision stands for another entry now: the one at its path.
 * 0 with `*node` that entry, -ENOENT when nothing is there any more. */
static int redirect(struct tree *tree, const struct attachment *attachment,
                    const struct catalog_entry *entry, struct tree_node *node, struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    auto_text struct text visible = TEXT_INIT;
    int result = climb(attachment, entry, &path);
    if (result == 0)
        result = append_visible(attachment, path.bytes, &visible);
    if (result == 0)
        result = walk(tree, visible.bytes, node, error);
    if (result == 0 && !S_ISDIR(node->entry.mode))
        result = -ENOENT;
    return result;
}

/* Finds where the children of a directory are, by the catalogs. */
static int resolve_by_catalogs(struct tree *tree, uint64_t directory, struct place *place,
                               struct error *error)
{
    struct catalog_entry entry;
    int result = own_entry(tree, directory, &place->attachment, &entry, error);
    if (result < 0) {
        place->attachment = NULL;
        return result;
    }
    if (!S_ISDIR(entry.mode))
        return -ENOTDIR;
    if (directory != TREE_ROOT && !attachment_is_current(tree->table, place->attachment)) {
        struct tree_node now;
        result = redirect(tree, place->attachment, &entry, &now, error);
        if (result < 0)
            return result;
        if (now.inode != directory) {
            place_release(tree, place);
            return resolve(tree, now.inode, place, error);
        }
    }
    result = climb(place->attachment, &entry, &place->path);
    if (result == 0 && directory != TREE_ROOT && (entry.flags & MOUNTPOINT_FLAGS))
        result = enter_mountpoint(tree, directory, place, error);
    return result;
}

/* The same, by what is remembered first. On failure `place` may hold something to release. */
static int resolve(struct tree *tree, uint64_t directory, struct place *place, struct error *error)
{
    uint64_t base;
    int result = directory_cache_find(tree->directories, directory, &base, &place->path);
    if (result == 0) {
        result = attachment_find(tree->table, base + 1, &place->attachment, error);
        if (result == 0)
            return 0;
        place->attachment = NULL;
        if (result != -ENOENT)
            return result;
    }
    place->path.length = 0;
    uint64_t generation = directory_cache_generation(tree->directories);
    result = resolve_by_catalogs(tree, directory, place, error);
    if (result == 0)
        directory_cache_keep(tree->directories, generation, directory, place->attachment->base,
                             &place->path);
    return result;
}

int tree_node(struct tree *tree, uint64_t inode, struct tree_node *node, struct error *error)
{
    struct attachment *attachment;
    struct catalog_entry entry;
    int result = own_entry(tree, inode, &attachment, &entry, error);
    if (result < 0)
        return result;
    result = make_node(attachment, &entry, node);
    if (result == 0 && S_ISDIR(entry.mode) && inode != TREE_ROOT &&
        !attachment_is_current(tree->table, attachment)) {
        struct tree_node now;
        if (redirect(tree, attachment, &entry, &now, NULL) == 0)
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
    int result = resolve(tree, directory, &place, error);
    if (result == 0)
        result = lookup_at(&place, name, length, node);
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
    int result = resolve(tree, directory, &place, error);
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
            result = make_node(place.attachment, &entry, &listing->items[index].node);
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
    int result = own_entry(tree, directory, &attachment, &entry, error);
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

int tree_symlink(struct tree *tree, const struct tree_node *node, struct text *target)
{
    struct attachment *attachment;
    int result = attachment_find(tree->table, node->source, &attachment, NULL);
    if (result < 0)
        return result;
    result = catalog_symlink(attachment->catalog, node->entry.row, target);
    attachment_release(tree->table, attachment);
    return result;
}

int tree_xattrs(struct tree *tree, const struct tree_node *node, struct text *blob)
{
    if (!node->entry.has_xattrs)
        return 0;
    struct attachment *attachment;
    int result = attachment_find(tree->table, node->source, &attachment, NULL);
    if (result < 0)
        return result;
    result = catalog_xattrs(attachment->catalog, node->entry.row, blob);
    attachment_release(tree->table, attachment);
    return result;
}

int tree_chunks(struct tree *tree, const struct tree_node *node, struct catalog_chunk **chunks,
                size_t *count)
{
    struct attachment *attachment;
    int result = attachment_find(tree->table, node->source, &attachment, NULL);
    if (result < 0)
        return result;
    result = catalog_chunks(attachment->catalog, &node->entry, chunks, count);
    attachment_release(tree->table, attachment);
    return result;
}

int tree_path(struct tree *tree, const struct tree_node *node, struct text *path)
{
    struct attachment *attachment;
    int result = attachment_find(tree->table, node->source, &attachment, NULL);
    if (result < 0)
        return result;
    auto_text struct text inner = TEXT_INIT;
    result = climb(attachment, &node->entry, &inner);
    if (result == 0)
        result = append_visible(attachment, inner.bytes, path);
    attachment_release(tree->table, attachment);
    return result;
}

int tree_catalog_facts(struct tree *tree, const struct tree_node *node,
                       struct tree_catalog_facts *facts)
{
    struct attachment *attachment = NULL;
    if (node->inode != TREE_ROOT && (node->entry.flags & MOUNTPOINT_FLAGS))
        attachment = attachment_mounted_on(tree->table, node->inode);
    int result = attachment ? 0 : attachment_find(tree->table, node->source, &attachment, NULL);
    if (result < 0)
        return result;
    facts->hash = attachment->hash;
    facts->statistics = attachment->statistics;
    facts->mountpoint = strdup(attachment->mountpoint);
    attachment_release(tree->table, attachment);
    return facts->mountpoint ? 0 : -ENOMEM;
}

void tree_facts(struct tree *tree, struct tree_facts *facts)
{
    (void)pthread_mutex_lock(&tree->facts_lock);
    *facts = tree->facts;
    (void)pthread_mutex_unlock(&tree->facts_lock);
    attachment_totals(tree->table, &facts->attached_catalogs, &facts->attached_entries,
                      &facts->last_inode);
}

bool tree_stores_xattrs(const struct tree *tree)
{
    return atomic_load(&tree->stores_xattrs);
}

bool tree_is_restricted(const struct tree *tree)
{
    return atomic_load(&tree->restricted);
}
