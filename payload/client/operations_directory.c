/* Listings. An offset says which entry was the one before (tree_offset), so that nothing has to be
 * remembered between one slice and the next. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/client/neighbours.h"
#include "payload/client/operations.h"

enum { PLACE_OPENDIR = 3 };

#define SMALLEST_ENTRY 32       /* bytes of a plain entry in the kernel's format */
#define SMALLEST_PLUS_ENTRY 160 /* the same with attributes */
#define MOST_ENTRIES 4096

struct filler {
    fuse_req_t request;
    struct client *client;
    uint64_t directory;
    bool plus;
    double validity;
    char *bytes;
    size_t size;
    size_t used;
};

/* Adds one entry, its name good for `validity` seconds; false when the buffer is full. */
static bool add(struct filler *filler, const char *name, const struct stat *status, uint64_t inode,
                double validity, off_t next)
{
    char *at = filler->bytes + filler->used;
    size_t room = filler->size - filler->used;
    size_t needed;
    if (filler->plus) {
        const struct fuse_entry_param entry = {
            .ino = inode,
            .attr = *status,
            .attr_timeout = filler->validity,
            .entry_timeout = validity,
        };
        needed = fuse_add_direntry_plus(filler->request, at, room, name, &entry, next);
    } else {
        needed = fuse_add_direntry(filler->request, at, room, name, status, next);
    }
    if (needed > room)
        return false;
    filler->used += needed;
    return true;
}

static int add_dots(struct filler *filler, uint64_t directory, off_t offset, struct error *error)
{
    if (offset < 1) {
        struct stat status = {.st_mode = S_IFDIR,
                              .st_ino = directory == TREE_ROOT ? TREE_FIRST_INODE : directory};
        (void)add(filler, ".", &status, 0, 0, 1); /* the buffer is empty: it fits */
    }
    if (offset < 2 && directory != TREE_ROOT) { /* the root has no ".." of its own (10.3) */
        uint64_t parent;
        int result = tree_parent(filler->client->tree, directory, &parent, error);
        if (result < 0)
            return result;
        struct stat status = {.st_mode = S_IFDIR,
                              .st_ino = parent == TREE_ROOT ? TREE_FIRST_INODE : parent};
        (void)add(filler, "..", &status, 0, 0, 2);
    }
    return 0;
}

/* Adds a slice of entries; those with attributes are remembered for the kernel. */
static int add_entries(struct filler *filler, const struct tree_listing *listing)
{
    for (size_t index = 0; index < listing->count; index++) {
        const struct tree_listed *item = &listing->items[index];
        struct stat status;
        int result = operation_stat(filler->client, &item->node,
                                    listing->text.bytes + item->symlink, &status);
        if (result < 0)
            return result;
        const bool seen =
            !filler->plus || neighbours_listed(filler->client->neighbours, filler->directory, item);
        if (!add(filler, listing->text.bytes + item->name, &status, item->node.inode,
                 seen ? filler->validity : 0, tree_offset(item->cookie)))
            return 1;
        if (filler->plus) {
            tree_remember(filler->client->tree, item->node.inode, 1);
            content_note(filler->client->content, &item->node);
        }
    }
    return 0;
}

static void list(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset, bool plus)
{
    struct client *client = fuse_req_userdata(request);
    if (!operation_is_allowed(request, client))
        return;
    (void)atomic_fetch_add_explicit(&client->counters.directory_lists, 1, memory_order_relaxed);
    auto_free char *bytes = malloc(size);
    struct filler filler = {
        .request = request,
        .client = client,
        .directory = inode,
        .plus = plus,
        .validity = client_validity(client),
        .bytes = bytes,
        .size = size,
    };
    struct error error = ERROR_INIT;
    struct tree_listing listing = {.items = NULL};
    size_t most = size / (plus ? SMALLEST_PLUS_ENTRY : SMALLEST_ENTRY) + 1;
    int result = bytes ? add_dots(&filler, inode, offset, &error) : -ENOMEM;
    if (result == 0)
        result = tree_list(client->tree, inode, offset > 2 ? (uint64_t)offset - 2 : 0,
                           most < MOST_ENTRIES ? most : MOST_ENTRIES, &listing, &error);
    if (result == 0)
        result = add_entries(&filler, &listing);
    if (result < 0)
        operation_fail(request, client, result, PLACE_OPENDIR, inode, &error);
    else
        (void)fuse_reply_buf(request, bytes, filler.used);
    tree_listing_free(&listing);
}

void operation_readdir(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    (void)info;
    list(request, inode, size, offset, false);
}

void operation_readdirplus(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                           struct fuse_file_info *info)
{
    (void)info;
    list(request, inode, size, offset, true);
}
