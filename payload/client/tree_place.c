/* From inodes to places: which catalog holds the children of a directory, and under which path. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/base/scope.h"
#include "payload/client/tree_internal.h"

void place_release(struct tree *tree, struct place *place)
{
    if (place->attachment)
        attachment_release(tree->table, place->attachment);
    place->attachment = NULL;
    text_free(&place->path);
}

/* Appends the path of a row in its catalog, by climbing from parent to parent. */
int tree_climb(const struct attachment *attachment, const struct catalog_entry *entry,
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
int tree_append_visible(const struct attachment *attachment, const char *path, struct text *visible)
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
        result = tree_append_visible(place->attachment, place->path.bytes, &visible);
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

/* Fills a node for a row of an attachment that is in use. */
int tree_make_node(const struct attachment *attachment, const struct catalog_entry *entry,
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

int place_lookup(const struct place *place, const char *name, size_t length, struct tree_node *node)
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
    return result < 0 ? result : tree_make_node(place->attachment, &entry, node);
}

static int root_node(struct tree *tree, struct tree_node *node, struct error *error)
{
    struct attachment *attachment;
    struct catalog_entry entry;
    int result = tree_own_entry(tree, TREE_ROOT, &attachment, &entry, error);
    if (result < 0)
        return result;
    result = tree_make_node(attachment, &entry, node);
    node->inode = TREE_ROOT;
    attachment_release(tree->table, attachment);
    return result;
}

/* The node at a visible path in the current revision. */
static int walk(struct tree *tree, const char *path, struct tree_node *node, struct error *error)
{
    int result = root_node(tree, node, error);
    while (result == 0 && *path == '/') {
        const char *name = path + 1;
        size_t length = strcspn(name, "/");
        struct place place = {NULL, TEXT_INIT};
        result = tree_resolve(tree, node->inode, &place, error);
        if (result == 0)
            result = place_lookup(&place, name, length, node);
        place_release(tree, &place);
        path = name + length;
    }
    return result;
}

/* The entry of an inode as its own catalog has it; the attachment comes back in use. */
int tree_own_entry(struct tree *tree, uint64_t inode, struct attachment **attachment,
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
int tree_redirect(struct tree *tree, const struct attachment *attachment,
                  const struct catalog_entry *entry, struct tree_node *node, struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    auto_text struct text visible = TEXT_INIT;
    int result = tree_climb(attachment, entry, &path);
    if (result == 0)
        result = tree_append_visible(attachment, path.bytes, &visible);
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
    int result = tree_own_entry(tree, directory, &place->attachment, &entry, error);
    if (result < 0) {
        place->attachment = NULL;
        return result;
    }
    if (!S_ISDIR(entry.mode))
        return -ENOTDIR;
    if (directory != TREE_ROOT && !attachment_is_current(tree->table, place->attachment)) {
        struct tree_node now;
        result = tree_redirect(tree, place->attachment, &entry, &now, error);
        if (result < 0)
            return result;
        if (now.inode != directory) {
            place_release(tree, place);
            return tree_resolve(tree, now.inode, place, error);
        }
    }
    result = tree_climb(place->attachment, &entry, &place->path);
    if (result == 0 && directory != TREE_ROOT && (entry.flags & MOUNTPOINT_FLAGS))
        result = enter_mountpoint(tree, directory, place, error);
    return result;
}

/* The same, by what is remembered first. On failure `place` may hold something to release. */
int tree_resolve(struct tree *tree, uint64_t directory, struct place *place, struct error *error)
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
