#include "payload/client/neighbours.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/client/lister.h"

#define STREAK 2      /* files looked up and read, one after the other, that make a reader */
#define WATCHED 16    /* directories whose readers are told apart; a power of two */
#define REMEMBERED 64 /* directories that are not done again soon */
#define QUEUE_LENGTH 8
#define MOST_ENTRIES 2048    /* of one directory */
#define FILE_LIMIT 65536     /* bytes; larger files are left to the kernel's own read-ahead */
#define MOST_BYTES (8 << 20) /* read ahead in one directory */
#define SLICE 32             /* entries, between two looks at where the reader is */
#define MOST_DIRECTORIES 8   /* to go ahead by */
#define READERS 2            /* threads that have files read: one sleeps as often as it works */

/* One directory that is read from. */
struct watch {
    uint64_t directory;
    uint64_t looked_up; /* the file whose content is expected to be asked for next */
    unsigned streak;
};

struct neighbours {
    struct tree *tree;
    struct cache *cache;
    char *mountpoint;
    _Atomic uint64_t last_read; /* the file whose content was asked for last */

    /* The worker's own. */
    struct lister *directories;       /* goes ahead of the others */
    struct lister *contents[READERS]; /* take slices in turn */
    size_t turn;
    uint64_t expected; /* the directory that a reader of one after the other comes to next */
    size_t window;     /* directories it was ahead of the reader last time */

    pthread_mutex_t lock; /* over the following */
    pthread_cond_t change;
    struct watch watches[WATCHED];
    uint64_t done[REMEMBERED];
    size_t next_done;
    uint64_t queue[QUEUE_LENGTH];
    size_t queued;
    bool has_worker;
    bool ending;
    pthread_t worker;
};

int neighbours_create(struct tree *tree, struct cache *cache, const char *mountpoint,
                      struct neighbours **neighbours)
{
    struct neighbours *made = calloc(1, sizeof *made);
    char *copy = strdup(mountpoint);
    if (!made || !copy) {
        free(made);
        free(copy);
        return -ENOMEM;
    }
    made->tree = tree;
    made->cache = cache;
    made->mountpoint = copy;
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->change, NULL);
    *neighbours = made;
    return 0;
}

void neighbours_destroy(struct neighbours *neighbours)
{
    if (!neighbours)
        return;
    (void)pthread_mutex_lock(&neighbours->lock);
    neighbours->ending = true;
    (void)pthread_cond_broadcast(&neighbours->change);
    (void)pthread_mutex_unlock(&neighbours->lock);
    if (neighbours->has_worker)
        (void)pthread_join(neighbours->worker, NULL);
    lister_stop(neighbours->directories);
    for (size_t index = 0; index < READERS; index++)
        lister_stop(neighbours->contents[index]);
    (void)pthread_mutex_destroy(&neighbours->lock);
    (void)pthread_cond_destroy(&neighbours->change);
    free(neighbours->mountpoint);
    free(neighbours);
}

static bool is_ending(struct neighbours *neighbours)
{
    (void)pthread_mutex_lock(&neighbours->lock);
    bool ending = neighbours->ending;
    (void)pthread_mutex_unlock(&neighbours->lock);
    return ending;
}

/* The row of the file that the reader of a directory is at; 0 when he is elsewhere. */
static uint64_t reader_row(struct neighbours *neighbours, const struct tree_node *directory)
{
    struct tree_node file;
    uint64_t inode = atomic_load(&neighbours->last_read);
    if (!inode || tree_node(neighbours->tree, inode, &file, NULL) < 0 ||
        file.entry.parent.first != directory->entry.path.first ||
        file.entry.parent.second != directory->entry.path.second)
        return 0;
    return file.entry.row;
}

static bool is_worth_reading(const struct neighbours *neighbours, const struct catalog_entry *entry)
{
    return S_ISREG(entry->mode) && entry->size > 0 && entry->size <= FILE_LIMIT &&
           !(entry->flags & (CATALOG_FLAG_CHUNKED | CATALOG_FLAG_DIRECT_IO)) &&
           cache_has(neighbours->cache, &entry->hash);
}

/* Files in their order, ahead of the reader: those behind him he has had. */
static void read_contents(struct neighbours *neighbours, const struct tree_node *directory,
                          const char *path)
{
    struct tree_listing listing = {.items = NULL};
    auto_text struct text names = TEXT_INIT;
    uint64_t after = 0;
    size_t entries = 0;
    size_t bytes = 0;
    while (entries < MOST_ENTRIES && bytes < MOST_BYTES && !is_ending(neighbours)) {
        uint64_t reader = reader_row(neighbours, directory);
        if (tree_list(neighbours->tree, directory->inode, after > reader ? after : reader, SLICE,
                      &listing, NULL) < 0 ||
            listing.count == 0)
            break;
        names.length = 0;
        for (size_t index = 0; index < listing.count; index++) {
            const struct tree_listed *item = &listing.items[index];
            const char *name = listing.text.bytes + item->name;
            if (!is_worth_reading(neighbours, &item->node.entry) ||
                text_append(&names, name, strlen(name) + 1) < 0)
                continue;
            bytes += item->node.entry.size;
        }
        lister_read_ahead(neighbours->contents[neighbours->turn++ % READERS], path, &names,
                          FILE_LIMIT);
        entries += listing.count;
        after = listing.items[listing.count - 1].cookie;
    }
    tree_listing_free(&listing);
}

static bool begin_listing(struct neighbours *neighbours, const struct tree_node *directory,
                          struct text *path)
{
    path->length = 0;
    if (text_append_string(path, neighbours->mountpoint) < 0 ||
        tree_path(neighbours->tree, directory, path) < 0)
        return false;
    lister_list(neighbours->directories, path->bytes, MOST_ENTRIES);
    return true;
}

static void mark_done(struct neighbours *neighbours, uint64_t directory)
{
    (void)pthread_mutex_lock(&neighbours->lock);
    neighbours->done[neighbours->next_done++ % REMEMBERED] = directory;
    (void)pthread_mutex_unlock(&neighbours->lock);
}

/* One directory is listed while the contents of the one before are read: names have to be known
 * before files can be opened without asking for each. */
static void prepare(struct neighbours *neighbours, const struct tree_node *directories,
                    size_t count)
{
    struct text paths[2] = {TEXT_INIT, TEXT_INIT};
    bool begun = count > 0 && begin_listing(neighbours, &directories[0], &paths[0]);
    for (size_t index = 0; begun; index++) {
        mark_done(neighbours, directories[index].inode);
        lister_wait(neighbours->directories);
        begun = index + 1 < count &&
                begin_listing(neighbours, &directories[index + 1], &paths[(index + 1) % 2]);
        read_contents(neighbours, &directories[index], paths[index % 2].bytes);
    }
    text_free(&paths[0]);
    text_free(&paths[1]);
}

/* The directories that stand behind `directory` in their parent, up to `most`. */
static size_t find_next(struct neighbours *neighbours, const struct tree_node *directory,
                        struct tree_node *next, size_t most)
{
    struct tree_listing listing = {.items = NULL};
    uint64_t parent;
    size_t count = 0;
    if (directory->inode != TREE_ROOT &&
        tree_parent(neighbours->tree, directory->inode, &parent, NULL) == 0 &&
        tree_list(neighbours->tree, parent, directory->entry.row, SLICE, &listing, NULL) == 0)
        for (size_t index = 0; index < listing.count && count < most; index++)
            if (S_ISDIR(listing.items[index].node.entry.mode))
                next[count++] = listing.items[index].node;
    tree_listing_free(&listing);
    return count;
}

/* A directory has a reader. One who goes from directory to directory finds ever more of them
 * prepared, as a reader of a large file does with its blocks. */
static void go_ahead(struct neighbours *neighbours, uint64_t inode)
{
    struct tree_node directory;
    if (tree_node(neighbours->tree, inode, &directory, NULL) < 0)
        return;
    size_t window = inode == neighbours->expected ? 2 * neighbours->window + 1 : 0;
    neighbours->window = window < MOST_DIRECTORIES ? window : MOST_DIRECTORIES;
    struct tree_node next[MOST_DIRECTORIES + 2];
    next[0] = directory;
    size_t found = 1 + find_next(neighbours, &directory, next + 1, neighbours->window + 1);
    size_t count = found < neighbours->window + 1 ? found : neighbours->window + 1;
    neighbours->expected = found > count ? next[count].inode : 0;
    prepare(neighbours, next, count);
}

static int start_listers(struct neighbours *neighbours)
{
    int result = lister_start(&neighbours->directories);
    for (size_t index = 0; result == 0 && index < READERS; index++)
        result = lister_start(&neighbours->contents[index]);
    return result;
}

static void *work(void *context)
{
    struct neighbours *neighbours = context;
    if (start_listers(neighbours) < 0)
        return NULL; /* readers go on as without */
    (void)pthread_mutex_lock(&neighbours->lock);
    while (!neighbours->ending) {
        if (neighbours->queued == 0) {
            (void)pthread_cond_wait(&neighbours->change, &neighbours->lock);
            continue;
        }
        uint64_t directory = neighbours->queue[0];
        neighbours->queued--;
        memmove(neighbours->queue, neighbours->queue + 1,
                neighbours->queued * sizeof neighbours->queue[0]);
        (void)pthread_mutex_unlock(&neighbours->lock);
        go_ahead(neighbours, directory);
        (void)pthread_mutex_lock(&neighbours->lock);
    }
    (void)pthread_mutex_unlock(&neighbours->lock);
    return NULL;
}

/* Under the lock. */
static bool was_done(const struct neighbours *neighbours, uint64_t directory)
{
    for (size_t index = 0; index < REMEMBERED; index++)
        if (neighbours->done[index] == directory)
            return true;
    return false;
}

/* Under the lock: a directory has a reader. */
static void submit(struct neighbours *neighbours, uint64_t directory)
{
    if (neighbours->queued == QUEUE_LENGTH || neighbours->ending || was_done(neighbours, directory))
        return;
    if (!neighbours->has_worker)
        neighbours->has_worker = pthread_create(&neighbours->worker, NULL, work, neighbours) == 0;
    neighbours->done[neighbours->next_done++ % REMEMBERED] = directory;
    neighbours->queue[neighbours->queued++] = directory;
    (void)pthread_cond_signal(&neighbours->change);
}

void neighbours_looked_up(struct neighbours *neighbours, uint64_t directory,
                          const struct tree_node *node)
{
    if (!neighbours || !S_ISREG(node->entry.mode))
        return;
    (void)pthread_mutex_lock(&neighbours->lock);
    struct watch *watch = &neighbours->watches[directory & (WATCHED - 1)];
    if (watch->directory != directory)
        *watch = (struct watch){.directory = directory};
    watch->looked_up = node->inode;
    (void)pthread_mutex_unlock(&neighbours->lock);
}

void neighbours_read(struct neighbours *neighbours, uint64_t inode)
{
    if (!neighbours)
        return;
    atomic_store(&neighbours->last_read, inode);
    (void)pthread_mutex_lock(&neighbours->lock);
    for (size_t index = 0; index < WATCHED; index++) {
        struct watch *watch = &neighbours->watches[index];
        if (watch->looked_up != inode)
            continue;
        watch->looked_up = 0;
        if (++watch->streak == STREAK)
            submit(neighbours, watch->directory);
        break;
    }
    (void)pthread_mutex_unlock(&neighbours->lock);
}
