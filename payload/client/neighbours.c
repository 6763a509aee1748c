/* Who reads where, and which directories come next. */
#include "payload/client/neighbours.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STREAK 2      /* files looked up and read, one after the other, that make a reader */
#define WATCHED 16    /* directories whose readers are told apart; a power of two */
#define REMEMBERED 64 /* directories that are not done again soon */
#define QUEUE_LENGTH 8
#define SIBLINGS 32        /* entries behind a directory among which the next ones are looked for */
#define MOST_DIRECTORIES 8 /* to go ahead by */

/* One directory that is read from. */
struct watch {
    uint64_t directory;
    uint64_t looked_up; /* the file whose content is expected to be asked for next */
    unsigned streak;
};

/* A directory to go on from, behind a cookie, and whether its reader has reached it. */
struct start {
    uint64_t directory;
    uint64_t after;
    bool is_reached;
};

struct neighbours {
    struct tree *tree;
    struct exposure *exposure;
    struct fetcher *fetcher;
    char *mountpoint;
    content_storer *store;
    void *store_context;
    _Atomic uint64_t last_read; /* the file whose content was asked for last */
    size_t window; /* the worker's own: directories prepared last time beside the first */

    pthread_mutex_t lock; /* over the following */
    pthread_cond_t change;
    struct watch watches[WATCHED];
    uint64_t expected; /* the directory that a reader of one after the other comes to next that is
                          not prepared */
    uint64_t marker;   /* a prepared one, where it is time to go on */
    struct start left; /* a large one, prepared up to there */
    uint64_t done[REMEMBERED];
    size_t next_done;
    struct start queue[QUEUE_LENGTH];
    size_t queued;
    bool has_worker;
    bool ending;
    pthread_t worker;
};

int neighbours_create(struct tree *tree, struct fetcher *fetcher, const char *mountpoint,
                      content_storer *store, void *store_context, void (*on_wait)(void),
                      struct neighbours **neighbours)
{
    struct neighbours *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->tree = tree;
    made->fetcher = fetcher;
    made->store = store;
    made->store_context = store_context;
    made->mountpoint = strdup(mountpoint);
    if (!made->mountpoint || exposure_create(on_wait, &made->exposure) < 0) {
        free(made->mountpoint);
        free(made);
        return -ENOMEM;
    }
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->change, NULL);
    *neighbours = made;
    return 0;
}

void neighbours_stop_storing(struct neighbours *neighbours)
{
    if (neighbours)
        exposure_close(neighbours->exposure);
}

void neighbours_destroy(struct neighbours *neighbours)
{
    if (!neighbours)
        return;
    exposure_close(neighbours->exposure); /* which ends what the worker is at */
    (void)pthread_mutex_lock(&neighbours->lock);
    neighbours->ending = true;
    (void)pthread_cond_broadcast(&neighbours->change);
    (void)pthread_mutex_unlock(&neighbours->lock);
    if (neighbours->has_worker)
        (void)pthread_join(neighbours->worker, NULL);
    (void)pthread_mutex_destroy(&neighbours->lock);
    (void)pthread_cond_destroy(&neighbours->change);
    exposure_destroy(neighbours->exposure);
    free(neighbours->mountpoint);
    free(neighbours);
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

/* The directories that stand behind `directory` in their parent, up to `most`. */
static size_t find_next(struct neighbours *neighbours, const struct tree_node *directory,
                        struct tree_node *next, size_t most)
{
    struct tree_listing listing = {.items = NULL};
    uint64_t parent;
    size_t count = 0;
    if (directory->inode != TREE_ROOT &&
        tree_parent(neighbours->tree, directory->inode, &parent, NULL) == 0 &&
        tree_list(neighbours->tree, parent, directory->entry.row, SIBLINGS, &listing, NULL) == 0)
        for (size_t index = 0; index < listing.count && count < most; index++)
            if (S_ISDIR(listing.items[index].node.entry.mode))
                next[count++] = listing.items[index].node;
    tree_listing_free(&listing);
    return count;
}

/* Under the lock. */
static void mark_done(struct neighbours *neighbours, uint64_t directory)
{
    neighbours->done[neighbours->next_done++ % REMEMBERED] = directory;
}

/* Notes what is about to be prepared, and what comes behind it. The reader is to be noticed at the
 * first directory that he has not reached. */
static void plan(struct neighbours *neighbours, const struct start *start,
                 const struct tree_node *next, size_t found, size_t count)
{
    const size_t ahead = start->is_reached ? 1 : 0;
    (void)pthread_mutex_lock(&neighbours->lock);
    for (size_t index = 1; index < count; index++) /* the first was marked when it was submitted */
        mark_done(neighbours, next[index].inode);
    neighbours->expected = found > count ? next[count].inode : 0;
    neighbours->marker = ahead < count ? next[ahead].inode : 0;
    (void)pthread_mutex_unlock(&neighbours->lock);
}

/* A directory has a reader, or will have. One who goes from directory to directory finds ever more
 * of them prepared, as a reader of a large file does with its blocks. */
static void go_ahead(struct neighbours *neighbours, struct preparation *preparation,
                     const struct start *start, bool is_expected)
{
    struct tree_node directory;
    if (tree_node(neighbours->tree, start->directory, &directory, NULL) < 0)
        return;
    size_t window = is_expected ? 2 * neighbours->window + 1 : 0;
    neighbours->window = window < MOST_DIRECTORIES ? window : MOST_DIRECTORIES;
    struct tree_node next[MOST_DIRECTORIES + 2];
    next[0] = directory;
    size_t found = 1 + find_next(neighbours, &directory, next + 1, neighbours->window + 1);
    size_t count = found < neighbours->window + 1 ? found : neighbours->window + 1;
    plan(neighbours, start, next, found, count);
    const uint64_t row = start->is_reached ? reader_row(neighbours, &directory) : 0;
    preparation_add(preparation, &directory, row > start->after ? row : start->after);
    for (size_t index = 1; index < count; index++)
        preparation_add(preparation, &next[index], 0);
}

/* Under the lock. */
static bool take_start(struct neighbours *neighbours, struct start *start, bool *is_expected)
{
    if (neighbours->queued == 0)
        return false;
    *start = neighbours->queue[0];
    *is_expected = start->directory == neighbours->expected;
    neighbours->queued--;
    memmove(neighbours->queue, neighbours->queue + 1,
            neighbours->queued * sizeof neighbours->queue[0]);
    return true;
}

static void *work(void *context)
{
    struct neighbours *neighbours = context;
    struct preparation *preparation;
    if (preparation_create(neighbours->tree, neighbours->fetcher, neighbours->exposure,
                           neighbours->mountpoint, neighbours->store, neighbours->store_context,
                           &preparation) < 0)
        return NULL; /* readers go on as without */
    (void)pthread_mutex_lock(&neighbours->lock);
    for (bool busy = false; !neighbours->ending;) {
        struct start start;
        bool is_expected;
        if (take_start(neighbours, &start, &is_expected)) {
            (void)pthread_mutex_unlock(&neighbours->lock);
            go_ahead(neighbours, preparation, &start, is_expected);
            busy = true;
        } else if (busy) {
            (void)pthread_mutex_unlock(&neighbours->lock);
            busy = preparation_step(preparation);
        } else {
            (void)pthread_cond_wait(&neighbours->change, &neighbours->lock);
            continue;
        }
        struct start left = {.is_reached = true};
        const bool is_left = preparation_left(preparation, &left.directory, &left.after);
        (void)pthread_mutex_lock(&neighbours->lock);
        if (is_left)
            neighbours->left = left;
    }
    (void)pthread_mutex_unlock(&neighbours->lock);
    preparation_destroy(preparation);
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

/* Under the lock. */
static void submit(struct neighbours *neighbours, const struct start *start)
{
    if (neighbours->queued == QUEUE_LENGTH || neighbours->ending)
        return;
    if (!neighbours->has_worker)
        neighbours->has_worker = pthread_create(&neighbours->worker, NULL, work, neighbours) == 0;
    mark_done(neighbours, start->directory);
    neighbours->queue[neighbours->queued++] = *start;
    (void)pthread_cond_signal(&neighbours->change);
}

/* Under the lock: the same, from a directory's beginning, unless it was done. */
static void submit_new(struct neighbours *neighbours, uint64_t directory, bool is_reached)
{
    if (directory != 0 && !was_done(neighbours, directory))
        submit(neighbours, &(struct start){.directory = directory, .is_reached = is_reached});
}

/* Under the lock: a file was looked up in a directory. */
static void watch(struct neighbours *neighbours, uint64_t directory, const struct tree_node *file)
{
    struct watch *watch = &neighbours->watches[directory & (WATCHED - 1)];
    if (watch->directory != directory)
        *watch = (struct watch){.directory = directory};
    watch->looked_up = file->inode;
    if (directory == neighbours->left.directory && file->entry.row > neighbours->left.after) {
        submit(neighbours, &neighbours->left);
        neighbours->left.directory = 0;
    }
}

bool neighbours_looked_up(struct neighbours *neighbours, uint64_t directory,
                          const struct tree_node *node)
{
    if (!neighbours || (!S_ISREG(node->entry.mode) && !S_ISDIR(node->entry.mode)))
        return true;
    const enum exposure_answer answer = exposure_look_up(neighbours->exposure, node->inode);
    if (answer == EXPOSURE_HIDDEN)
        return false;
    (void)pthread_mutex_lock(&neighbours->lock);
    if (S_ISREG(node->entry.mode))
        watch(neighbours, directory, node);
    else if (node->inode == neighbours->expected)
        submit_new(neighbours, neighbours->expected, true);
    else if (node->inode == neighbours->marker && answer == EXPOSURE_NOTICED)
        submit_new(neighbours, neighbours->expected, false);
    (void)pthread_mutex_unlock(&neighbours->lock);
    return true;
}

bool neighbours_listed(struct neighbours *neighbours, uint64_t directory,
                       const struct tree_listed *entry)
{
    const struct tree_node *node = &entry->node;
    return !neighbours || (!S_ISREG(node->entry.mode) && !S_ISDIR(node->entry.mode)) ||
           !exposure_list(neighbours->exposure, directory, entry->cookie, node->inode);
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
            submit_new(neighbours, watch->directory, true);
        break;
    }
    (void)pthread_mutex_unlock(&neighbours->lock);
}
