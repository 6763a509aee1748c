/* What a node's catalog says of it beyond its entry, and what is known of the tree as a whole. */
#include <errno.h>
#include <string.h>

#include "payload/client/tree_internal.h"

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
    result = tree_climb(attachment, &node->entry, &inner);
    if (result == 0)
        result = tree_append_visible(attachment, inner.bytes, path);
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
