/* From a range of a file to pieces of cached objects. Knows nothing of how the bytes travel on. */
#include "payload/client/content.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/client/open_object.h"
#include "payload/client/prefetch.h"

#define NOTE_SLOTS 1024   /* nodes of the files met last; a power of two */
#define LAYOUT_SLOTS 16   /* chunk lists of the chunked files read last; a power of two */
#define PREFETCH_CHUNKS 4 /* how far to fetch ahead of a sequential reader */

struct layout {
    uint64_t inode; /* 0: empty */
    struct catalog_chunk *chunks;
    size_t count;
    size_t next; /* the chunk that a sequential reader comes to next */
};

struct content_store {
    struct tree *tree;
    struct fetcher *fetcher;
    struct open_object_table *open_objects;
    struct prefetcher *prefetcher;
    pthread_mutex_t lock; /* of the following */
    struct tree_node notes[NOTE_SLOTS];
    struct layout layouts[LAYOUT_SLOTS];
};

static void close_unused_objects(void *context)
{
    struct content_store *store = context;
    open_object_close_unused(store->open_objects);
}

int content_store_create(struct tree *tree, struct fetcher *fetcher, struct content_store **store)
{
    struct content_store *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->tree = tree;
    made->fetcher = fetcher;
    (void)pthread_mutex_init(&made->lock, NULL);
    int result = open_object_table_create(&made->open_objects);
    if (result == 0)
        result = prefetcher_create(fetcher, &made->prefetcher);
    if (result < 0) {
        content_store_destroy(made);
        return result;
    }
    fetch_on_full_disk(fetcher, close_unused_objects, made);
    *store = made;
    return 0;
}

void content_store_destroy(struct content_store *store)
{
    if (!store)
        return;
    prefetcher_destroy(store->prefetcher);
    fetch_on_full_disk(store->fetcher, NULL, NULL);
    open_object_table_destroy(store->open_objects);
    for (size_t index = 0; index < LAYOUT_SLOTS; index++)
        free(store->layouts[index].chunks);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

void content_note(struct content_store *store, const struct tree_node *node)
{
    if (!S_ISREG(node->entry.mode))
        return;
    (void)pthread_mutex_lock(&store->lock);
    store->notes[node->inode & (NOTE_SLOTS - 1)] = *node;
    (void)pthread_mutex_unlock(&store->lock);
}

static int find_node(struct content_store *store, uint64_t inode, struct tree_node *node,
                     struct error *error)
{
    (void)pthread_mutex_lock(&store->lock);
    const struct tree_node *note = &store->notes[inode & (NOTE_SLOTS - 1)];
    bool noted = note->inode == inode;
    if (noted)
        *node = *note;
    (void)pthread_mutex_unlock(&store->lock);
    if (noted)
        return 0;
    int result = tree_node(store->tree, inode, node, error);
    if (result == 0)
        content_note(store, node);
    return result;
}

/* One object of a file: the whole, or a chunk. */
static struct object object_of(const struct tree_node *node, const struct catalog_chunk *chunk,
                               const char *path)
{
    bool chunked = node->entry.flags & CATALOG_FLAG_CHUNKED;
    bool external = node->entry.flags & CATALOG_FLAG_EXTERNAL;
    return (struct object){
        .hash = chunk->hash,
        .suffix = chunked && !external ? 'P' : 0,
        .compressed = node->entry.compressed,
        .size = chunk->size,
        .external = external ? path : NULL,
        .offset = chunk->offset,
        .range_length = chunked && external ? chunk->size : 0,
        .label = path,
    };
}

static int open_chunk(struct content_store *store, const struct tree_node *node,
                      const struct catalog_chunk *chunk, struct open_object **object,
                      struct error *error)
{
    *object = open_object_find(store->open_objects, &chunk->hash);
    if (*object)
        return 0;
    int fd = fetch_cached(store->fetcher, &chunk->hash, chunk->size);
    if (fd < 0) {
        auto_text struct text path = TEXT_INIT;
        int result = tree_path(store->tree, node, &path);
        if (result < 0)
            return error_system(error, result, "finding a file's path");
        const struct object wanted = object_of(node, chunk, path.bytes);
        fd = fetch_object(store->fetcher, &wanted, error);
    }
    if (fd < 0)
        return fd == -ENOMEM || fd == -ENOSPC ? fd : -EIO;
    *object = open_object_add(store->open_objects, &chunk->hash, fd);
    return *object ? 0 : -ENOMEM;
}

/* Under the lock: the chunk that holds `offset`, by their ascending offsets. */
static size_t chunk_at(const struct layout *layout, uint64_t offset)
{
    size_t low = 0;
    size_t high = layout->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (layout->chunks[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The chunks that a read needs, and those that the next ones of a sequential reader will. */
struct selection {
    struct catalog_chunk needed[CONTENT_PIECES];
    size_t needed_count;
    struct catalog_chunk ahead[PREFETCH_CHUNKS];
    size_t ahead_count;
};

/* Under the lock. */
static void select_chunks(struct layout *layout, uint64_t offset, uint64_t end,
                          struct selection *selection)
{
    size_t first = chunk_at(layout, offset);
    size_t index = first;
    for (; index < layout->count && selection->needed_count < CONTENT_PIECES; index++) {
        if (layout->chunks[index].offset >= end)
            break;
        selection->needed[selection->needed_count++] = layout->chunks[index];
    }
    /* A reader that comes from one chunk into the next will want those behind it too; one that
     * only looks at a chunk, say the first, may not. */
    bool enters = index > layout->next && layout->next > 0 && first + 1 >= layout->next &&
                  first <= layout->next;
    for (size_t ahead = index; enters && ahead < layout->count && ahead < index + PREFETCH_CHUNKS;
         ahead++)
        selection->ahead[selection->ahead_count++] = layout->chunks[ahead];
    layout->next = index;
}

static int select_from_layout(struct content_store *store, const struct tree_node *node,
                              uint64_t offset, uint64_t end, struct selection *selection)
{
    struct layout *slot = &store->layouts[node->inode & (LAYOUT_SLOTS - 1)];
    (void)pthread_mutex_lock(&store->lock);
    bool known = slot->inode == node->inode;
    if (known)
        select_chunks(slot, offset, end, selection);
    (void)pthread_mutex_unlock(&store->lock);
    if (known)
        return 0;
    struct layout loaded = {.inode = node->inode};
    int result = tree_chunks(store->tree, node, &loaded.chunks, &loaded.count);
    if (result < 0)
        return result;
    if (loaded.count == 0) {
        free(loaded.chunks);
        return -EIO;
    }
    (void)pthread_mutex_lock(&store->lock);
    select_chunks(&loaded, offset, end, selection);
    free(slot->chunks);
    *slot = loaded;
    (void)pthread_mutex_unlock(&store->lock);
    return 0;
}

static void fetch_ahead(struct content_store *store, const struct tree_node *node,
                        const struct selection *selection)
{
    auto_text struct text path = TEXT_INIT;
    for (size_t index = 0; index < selection->ahead_count; index++) {
        const struct catalog_chunk *chunk = &selection->ahead[index];
        if (fetch_is_cached(store->fetcher, &chunk->hash))
            continue;
        if (!path.bytes && tree_path(store->tree, node, &path) < 0)
            return; /* the read itself will say why */
        const struct object object = object_of(node, chunk, path.bytes);
        prefetch(store->prefetcher, &object);
    }
}

int content_read(struct content_store *store, uint64_t inode, uint64_t offset, size_t size,
                 struct content_piece pieces[CONTENT_PIECES], size_t *count, struct error *error)
{
    *count = 0;
    struct tree_node node;
    int result = find_node(store, inode, &node, error);
    if (result < 0)
        return result;
    const struct catalog_entry *entry = &node.entry;
    if (!S_ISREG(entry->mode))
        return S_ISDIR(entry->mode) ? -EISDIR : -EINVAL;
    if (offset >= entry->size || size == 0)
        return 0;
    uint64_t end = size < entry->size - offset ? offset + size : entry->size;

    struct selection selection = {.needed_count = 1};
    if (entry->flags & CATALOG_FLAG_CHUNKED) {
        selection.needed_count = 0;
        result = select_from_layout(store, &node, offset, end, &selection);
        if (result < 0)
            return error_system(error, result, "reading the chunks of a file");
        fetch_ahead(store, &node, &selection);
    } else {
        selection.needed[0] = (struct catalog_chunk){.hash = entry->hash, .size = entry->size};
    }
    for (size_t index = 0; index < selection.needed_count; index++) {
        const struct catalog_chunk *chunk = &selection.needed[index];
        struct content_piece *piece = &pieces[index];
        result = open_chunk(store, &node, chunk, &piece->object, error);
        if (result < 0) {
            content_release(store, pieces, *count);
            *count = 0;
            return result;
        }
        uint64_t from = offset > chunk->offset ? offset - chunk->offset : 0;
        uint64_t to = end - chunk->offset < chunk->size ? end - chunk->offset : chunk->size;
        piece->fd = piece->object->fd;
        piece->offset = (off_t)from;
        piece->length = to - from;
        ++*count;
    }
    return 0;
}

void content_release(struct content_store *store, const struct content_piece *pieces, size_t count)
{
    for (size_t index = 0; index < count; index++)
        open_object_release(store->open_objects, pieces[index].object);
}
