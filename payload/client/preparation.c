/* From directories to parts of them, and each part through its three steps. */
#include "payload/client/preparation.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/lister.h"

#define MOST_ENTRIES 2048    /* of one directory */
#define MOST_BYTES (8 << 20) /* stored in one directory */
#define FILE_LIMIT 65536     /* bytes; larger files are left to the kernel's own read-ahead */
#define PART_LENGTH 256      /* entries */
#define QUEUE_LENGTH 32      /* directories */

/* How the contents of a directory can be stored. */
enum mode {
    COLD,      /* not at all: they are not in the cache */
    IN_WHOLE,  /* while the directory is hidden */
    BY_ENTRIES /* while entries are */
};

/* Some entries of a directory, in the order of its rows. */
struct part {
    uint64_t directory;
    struct text path; /* of the directory, below the mountpoint */
    struct tree_listing listing;
    uint64_t after; /* the cookie before the first */
    uint64_t last;  /* the cookie of the last */
    bool is_first;  /* of its directory */
    bool is_last;   /* that is done of it */
    bool is_end;    /* of the directory */
    enum mode mode;
    uint64_t number; /* of its first listing */
};

/* A directory, and how far it is prepared. */
struct task {
    struct tree_node directory;
    uint64_t after;
    size_t entries;
    size_t bytes;
    enum mode mode;
};

struct preparation {
    struct tree *tree;
    struct fetcher *fetcher;
    struct exposure *exposure;
    char *mountpoint;
    content_storer *store;
    void *store_context;
    struct lister *lister;
    char *bytes; /* of a file on its way */
    struct task queue[QUEUE_LENGTH];
    size_t queued;
    struct part parts[2]; /* the one that is begun is finished while the next one is begun */
    size_t turn;          /* of the one that is begun */
    bool is_begun;
    uint64_t left; /* a directory that is not prepared to its end; 0: none */
    uint64_t left_after;
};

int preparation_create(struct tree *tree, struct fetcher *fetcher, struct exposure *exposure,
                       const char *mountpoint, content_storer *store, void *store_context,
                       struct preparation **preparation)
{
    struct preparation *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->tree = tree;
    made->fetcher = fetcher;
    made->exposure = exposure;
    made->store = store;
    made->store_context = store_context;
    made->mountpoint = strdup(mountpoint);
    made->bytes = malloc(FILE_LIMIT);
    int result = made->mountpoint && made->bytes ? lister_start(&made->lister) : -ENOMEM;
    if (result < 0) {
        preparation_destroy(made);
        return result;
    }
    *preparation = made;
    return 0;
}

void preparation_destroy(struct preparation *preparation)
{
    if (!preparation)
        return;
    lister_stop(preparation->lister);
    for (size_t index = 0; index < 2; index++) {
        text_free(&preparation->parts[index].path);
        tree_listing_free(&preparation->parts[index].listing);
    }
    free(preparation->bytes);
    free(preparation->mountpoint);
    free(preparation);
}

/* Further names of a hard link may be exposed already under another row's number. */
static bool is_worth_storing(const struct tree_node *node)
{
    const struct catalog_entry *entry = &node->entry;
    return S_ISREG(entry->mode) && entry->size > 0 && entry->size <= FILE_LIMIT &&
           entry->hardlink_group == 0 &&
           !(entry->flags & (CATALOG_FLAG_CHUNKED | CATALOG_FLAG_DIRECT_IO));
}

static const struct tree_node *first_worth_storing(const struct tree_listing *listing)
{
    for (size_t index = 0; index < listing->count; index++)
        if (is_worth_storing(&listing->items[index].node))
            return &listing->items[index].node;
    return NULL;
}

/* The content of a file, if the cache has it. Returns its length or a negative errno. */
static ssize_t load(struct preparation *preparation, const struct catalog_entry *entry)
{
    auto_fd int fd = fetch_cached(preparation->fetcher, &entry->hash, entry->size);
    return fd < 0 ? fd : file_pread_full(fd, preparation->bytes, (size_t)entry->size, 0);
}

static void store(struct preparation *preparation, uint64_t directory, const struct tree_node *node)
{
    if (!exposure_begin_store(preparation->exposure, directory, node->inode))
        return;
    ssize_t length = load(preparation, &node->entry);
    if (length == (ssize_t)node->entry.size) /* otherwise the reader's own request sees to it */
        (void)preparation->store(preparation->store_context, node->inode, preparation->bytes,
                                 (size_t)length);
    exposure_end_store(preparation->exposure);
}

void preparation_add(struct preparation *preparation, const struct tree_node *directory,
                     uint64_t after)
{
    if (preparation->queued < QUEUE_LENGTH)
        preparation->queue[preparation->queued++] =
            (struct task){.directory = *directory, .after = after};
}

static void drop_task(struct preparation *preparation)
{
    preparation->queued--;
    memmove(preparation->queue, preparation->queue + 1,
            preparation->queued * sizeof preparation->queue[0]);
}

/* Fills a part with the entries of a task that come next. False when there are none. */
static bool next_part(struct preparation *preparation, struct task *task, struct part *part)
{
    if (tree_list(preparation->tree, task->directory.inode, task->after, PART_LENGTH + 1,
                  &part->listing, NULL) < 0 ||
        part->listing.count == 0)
        return false;
    part->is_end = part->listing.count <= PART_LENGTH;
    if (!part->is_end)
        part->listing.count = PART_LENGTH; /* one more shows that there is more */
    part->directory = task->directory.inode;
    part->after = task->after;
    part->is_first = task->entries == 0;
    part->last = task->after = part->listing.items[part->listing.count - 1].cookie;
    task->entries += part->listing.count;
    for (size_t index = 0; index < part->listing.count; index++)
        if (is_worth_storing(&part->listing.items[index].node))
            task->bytes += part->listing.items[index].node.entry.size;
    part->is_last = part->is_end || task->entries >= MOST_ENTRIES || task->bytes >= MOST_BYTES;
    part->path.length = 0;
    return text_append_string(&part->path, preparation->mountpoint) == 0 &&
           tree_path(preparation->tree, &task->directory, &part->path) == 0;
}

static bool is_cold(struct preparation *preparation, const struct part *part)
{
    const struct tree_node *first = first_worth_storing(&part->listing);
    return !first || !fetch_is_cached(preparation->fetcher, &first->entry.hash);
}

/* Chosen at the first part, by the first of its contents. */
static enum mode choose_mode(struct preparation *preparation, const struct part *part)
{
    if (is_cold(preparation, part))
        return COLD;
    const uint64_t directory = part->directory;
    if (part->is_end && part->after == 0 &&
        exposure_hide_directory(preparation->exposure, directory))
        return IN_WHOLE;
    return exposure_hide_entries(preparation->exposure, directory, part->after) ? BY_ENTRIES : COLD;
}

static uint64_t list(struct preparation *preparation, const struct part *part, bool to_the_end)
{
    return lister_list(preparation->lister, part->path.bytes, tree_offset(part->after),
                       to_the_end ? INT64_MAX : tree_offset(part->last));
}

/* What has to be listed a second time must not be listed to its end before: the kernel would keep
 * the listing, and not ask again. */
static void begin_part(struct preparation *preparation, struct task *task, struct part *part)
{
    if (part->is_first)
        task->mode = choose_mode(preparation, part);
    part->mode = task->mode;
    part->number = list(preparation, part, part->is_end && part->mode != BY_ENTRIES);
}

static void store_contents(struct preparation *preparation, const struct part *part)
{
    for (size_t index = 0; index < part->listing.count; index++)
        if (is_worth_storing(&part->listing.items[index].node))
            store(preparation, part->directory, &part->listing.items[index].node);
}

static void finish_part(struct preparation *preparation, struct part *part)
{
    if (part->mode == COLD)
        return;
    struct exposure *exposure = preparation->exposure;
    const uint64_t directory = part->directory;
    const bool listed = lister_wait(preparation->lister, part->number);
    if (part->mode == IN_WHOLE && !exposure_fill(exposure, directory, listed))
        return;
    store_contents(preparation, part);
    if (part->is_last || exposure_is_closed(exposure)) /* then there is no next part */
        exposure_reveal(exposure, directory);
    else
        (void)exposure_hide_entries(exposure, directory, part->last); /* it has a place */
    if (part->mode == BY_ENTRIES)
        (void)list(preparation, part, part->is_end);
}

/* A directory cannot be listed on: what is begun of it is all of it. */
static void cut_short(struct preparation *preparation, const struct task *task)
{
    struct part *begun = &preparation->parts[preparation->turn];
    if (preparation->is_begun && begun->directory == task->directory.inode)
        begun->is_last = true;
}

/* Begins the next part, if there is one. */
static bool begin_next(struct preparation *preparation, struct part *part)
{
    while (preparation->queued > 0 && !exposure_is_closed(preparation->exposure)) {
        struct task *task = &preparation->queue[0];
        const bool found = next_part(preparation, task, part);
        if (found)
            begin_part(preparation, task, part);
        else
            cut_short(preparation, task);
        if (found && part->is_last && !part->is_end) {
            preparation->left = part->directory;
            preparation->left_after = part->last;
        }
        if (!found || part->is_last)
            drop_task(preparation);
        if (found)
            return true;
    }
    return false;
}

bool preparation_step(struct preparation *preparation)
{
    const size_t next = 1 - preparation->turn;
    const bool begun = begin_next(preparation, &preparation->parts[next]);
    if (preparation->is_begun)
        finish_part(preparation, &preparation->parts[preparation->turn]);
    preparation->turn = next;
    preparation->is_begun = begun;
    return begun;
}

bool preparation_left(struct preparation *preparation, uint64_t *directory, uint64_t *after)
{
    *directory = preparation->left;
    *after = preparation->left_after;
    preparation->left = 0;
    return *directory != 0;
}
