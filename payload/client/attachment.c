/* The table of attached catalogs. Knows of inodes and places; of names and rows, nothing. */
#include "payload/client/attachment.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/client/descriptor_share.h"
#include "payload/client/log.h"

/* Open databases: each costs some tens of kilobytes and a descriptor. */
#define MOST_OPEN 48

struct attachment_table {
    struct fetcher *fetcher;
    pthread_mutex_t lock;
    struct attachment **items; /* by ascending base, which is the order of attaching */
    size_t count;
    size_t capacity;
    size_t open_count;
    size_t most_open;
    uint64_t clock;
    uint64_t generation;
    uint64_t next_base;
};

int attachment_table_create(struct fetcher *fetcher, struct attachment_table **table)
{
    *table = calloc(1, sizeof **table);
    if (!*table)
        return -ENOMEM;
    (*table)->fetcher = fetcher;
    (*table)->generation = 1;
    (*table)->most_open = descriptor_share(MOST_OPEN);
    (*table)->next_base = 255; /* the first row of the first catalog is inode 256 */
    (void)pthread_mutex_init(&(*table)->lock, NULL);
    return 0;
}

static void attachment_free(struct attachment *attachment)
{
    if (!attachment)
        return;
    if (attachment->catalog)
        catalog_close(attachment->catalog);
    free(attachment->mountpoint);
    free(attachment->root);
    free(attachment);
}

void attachment_table_destroy(struct attachment_table *table)
{
    if (!table)
        return;
    for (size_t index = 0; index < table->count; index++)
        attachment_free(table->items[index]);
    free(table->items);
    (void)pthread_mutex_destroy(&table->lock);
    free(table);
}

/* Closes the least recently used idle database once too many are open. Under the lock: closing
 * is a matter of microseconds. */
static void close_idle(struct attachment_table *table)
{
    if (table->open_count <= table->most_open)
        return;
    struct attachment *oldest = NULL;
    for (size_t index = 0; index < table->count; index++) {
        struct attachment *candidate = table->items[index];
        if (candidate->catalog && candidate->users == 0 &&
            (!oldest || candidate->last_used < oldest->last_used))
            oldest = candidate;
    }
    if (!oldest)
        return;
    catalog_close(oldest->catalog);
    oldest->catalog = NULL;
    table->open_count--;
}

static void use(struct attachment_table *table, struct attachment *attachment)
{
    attachment->users++;
    attachment->last_used = ++table->clock;
}

/* A database handle for the object, fetched when it is not in the cache. A copy that the cache
 * holds damaged is thrown away and fetched once more. */
static int open_catalog(struct attachment_table *table, const char *mountpoint,
                        const struct hash *hash, uint64_t size, struct catalog **catalog,
                        struct error *error)
{
    auto_text struct text label = TEXT_INIT;
    int result = text_printf(&label, "file catalog at %s", *mountpoint ? mountpoint : "/");
    if (result < 0)
        return error_system(error, result, "attaching a catalog");
    const struct object object = {
        .hash = *hash,
        .suffix = 'C',
        .compressed = true,
        .size = size ? size : OBJECT_SIZE_UNKNOWN,
        .label = label.bytes,
    };
    for (int attempt = 0; attempt < 2; attempt++) {
        auto_fd int fd = fetch_object(table->fetcher, &object, error);
        if (fd < 0)
            return fd == -ENOMEM ? fd : -EIO;
        result = catalog_open(fd, catalog, error);
        if (result != -EIO)
            break;
        log_message(3, "%s is damaged in the cache: %s", label.bytes, error ? error->message : "");
        fetch_discard(table->fetcher, hash);
    }
    return result < 0 ? error_prefix(error, "%s", label.bytes) : 0;
}

/* Makes the catalog of an attachment in use available. */
static int ensure_open(struct attachment_table *table, struct attachment *attachment,
                       struct error *error)
{
    (void)pthread_mutex_lock(&table->lock);
    bool ready = attachment->catalog != NULL;
    (void)pthread_mutex_unlock(&table->lock);
    if (ready) /* stays so while it is in use */
        return 0;
    struct catalog *catalog = NULL;
    int result = open_catalog(table, attachment->mountpoint, &attachment->hash, attachment->size,
                              &catalog, error);
    if (result < 0)
        return result;
    (void)pthread_mutex_lock(&table->lock);
    if (!attachment->catalog) {
        attachment->catalog = catalog;
        catalog = NULL;
        table->open_count++;
        close_idle(table);
    }
    (void)pthread_mutex_unlock(&table->lock);
    if (catalog)
        catalog_close(catalog); /* another thread was quicker */
    return 0;
}

static struct attachment *find_place(struct attachment_table *table, const char *mountpoint,
                                     const struct hash *hash)
{
    for (size_t index = 0; index < table->count; index++)
        if (hash_equal(&table->items[index]->hash, hash) &&
            strcmp(table->items[index]->mountpoint, mountpoint) == 0)
            return table->items[index];
    return NULL;
}

static int append(struct attachment_table *table, struct attachment *attachment)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 16;
        struct attachment **items = realloc(table->items, capacity * sizeof(struct attachment *));
        if (!items)
            return -ENOMEM;
        table->items = items;
        table->capacity = capacity;
    }
    attachment->base = table->next_base;
    table->next_base += attachment->last_row;
    table->items[table->count++] = attachment;
    return 0;
}

/* An attachment for an open catalog, which it takes over. */
static int attachment_new(const char *mountpoint, const struct hash *hash, uint64_t size,
                          struct catalog *catalog, struct attachment **made)
{
    struct attachment *attachment = calloc(1, sizeof *attachment);
    if (!attachment) {
        catalog_close(catalog);
        return -ENOMEM;
    }
    attachment->catalog = catalog;
    attachment->hash = *hash;
    attachment->size = size;
    attachment->mountpoint = strdup(mountpoint);
    attachment->root = strdup(catalog_root_prefix(catalog));
    attachment->last_row = catalog_last_row(catalog);
    attachment->statistics = *catalog_statistics(catalog);
    if (!attachment->mountpoint || !attachment->root) {
        attachment_free(attachment);
        return -ENOMEM;
    }
    *made = attachment;
    return 0;
}

int attachment_attach(struct attachment_table *table, const char *mountpoint,
                      uint64_t mountpoint_inode, const struct hash *hash, uint64_t size, int fd,
                      struct attachment **attachment, struct error *error)
{
    (void)pthread_mutex_lock(&table->lock);
    struct attachment *found = find_place(table, mountpoint, hash);
    (void)pthread_mutex_unlock(&table->lock);

    struct attachment *made = NULL;
    if (!found) {
        struct catalog *catalog = NULL;
        int result = fd >= 0 ? catalog_open(fd, &catalog, error)
                             : open_catalog(table, mountpoint, hash, size, &catalog, error);
        if (result == 0)
            result = attachment_new(mountpoint, hash, size, catalog, &made);
        if (result < 0)
            return result;
    }
    (void)pthread_mutex_lock(&table->lock);
    int result = 0;
    found = find_place(table, mountpoint, hash); /* it may have come, or gone, meanwhile */
    if (!found && made) {
        result = append(table, made);
        if (result == 0) {
            table->open_count++;
            found = made;
            made = NULL;
        }
    }
    if (found) {
        found->mountpoint_inode = mountpoint_inode;
        found->generation = table->generation;
        use(table, found);
        close_idle(table);
    } else if (result == 0) {
        result = -EAGAIN;
    }
    (void)pthread_mutex_unlock(&table->lock);
    attachment_free(made);
    if (result == -EAGAIN) /* swept between the two looks: now it has to be made */
        return attachment_attach(table, mountpoint, mountpoint_inode, hash, size, fd, attachment,
                                 error);
    if (result < 0)
        return error_system(error, result, "attaching a catalog");
    result = ensure_open(table, found, error);
    if (result < 0) {
        attachment_release(table, found);
        return result;
    }
    *attachment = found;
    return 0;
}

/* The item whose range holds `inode`; ranges ascend. */
static struct attachment *owner_of(const struct attachment_table *table, uint64_t inode)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->items[middle]->base < inode)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    struct attachment *owner = table->items[low - 1];
    return inode - owner->base <= owner->last_row ? owner : NULL;
}

int attachment_find(struct attachment_table *table, uint64_t inode, struct attachment **attachment,
                    struct error *error)
{
    (void)pthread_mutex_lock(&table->lock);
    struct attachment *owner = owner_of(table, inode);
    bool ready = false;
    if (owner) {
        use(table, owner);
        ready = owner->catalog != NULL;
    }
    (void)pthread_mutex_unlock(&table->lock);
    if (!owner)
        return error_set(error, -ENOENT, "inode %llu is not known", (unsigned long long)inode);
    int result = ready ? 0 : ensure_open(table, owner, error);
    if (result < 0)
        attachment_release(table, owner);
    else
        *attachment = owner;
    return result;
}

void attachment_release(struct attachment_table *table, struct attachment *attachment)
{
    (void)pthread_mutex_lock(&table->lock);
    attachment->users--;
    (void)pthread_mutex_unlock(&table->lock);
}

struct attachment *attachment_mounted_on(struct attachment_table *table, uint64_t mountpoint_inode)
{
    struct attachment *found = NULL;
    (void)pthread_mutex_lock(&table->lock);
    for (size_t index = 0; index < table->count && !found; index++) {
        struct attachment *candidate = table->items[index];
        if (candidate->mountpoint_inode == mountpoint_inode &&
            candidate->generation == table->generation)
            found = candidate;
    }
    if (found)
        use(table, found);
    (void)pthread_mutex_unlock(&table->lock);
    if (found && ensure_open(table, found, NULL) < 0) {
        attachment_release(table, found);
        found = NULL;
    }
    return found;
}

bool attachment_is_current(struct attachment_table *table, const struct attachment *attachment)
{
    (void)pthread_mutex_lock(&table->lock);
    bool current = attachment->generation == table->generation;
    (void)pthread_mutex_unlock(&table->lock);
    return current;
}

void attachment_new_generation(struct attachment_table *table)
{
    (void)pthread_mutex_lock(&table->lock);
    table->generation++;
    (void)pthread_mutex_unlock(&table->lock);
}

void attachment_sweep(struct attachment_table *table)
{
    (void)pthread_mutex_lock(&table->lock);
    size_t kept = 0;
    for (size_t index = 0; index < table->count; index++) {
        struct attachment *item = table->items[index];
        if (item->generation == table->generation || item->users || item->kernel_references) {
            table->items[kept++] = item;
            continue;
        }
        if (item->catalog)
            table->open_count--;
        attachment_free(item);
    }
    table->count = kept;
    (void)pthread_mutex_unlock(&table->lock);
}

/* The first attachment behind `base` that is stale but known to the kernel, in use; or NULL. */
static struct attachment *next_stale(struct attachment_table *table, uint64_t base)
{
    struct attachment *found = NULL;
    (void)pthread_mutex_lock(&table->lock);
    for (size_t index = 0; index < table->count && !found; index++) {
        struct attachment *candidate = table->items[index];
        if (candidate->base > base && candidate->kernel_references &&
            candidate->generation != table->generation)
            found = candidate;
    }
    if (found)
        use(table, found);
    (void)pthread_mutex_unlock(&table->lock);
    return found;
}

void attachment_stale_directories(struct attachment_table *table,
                                  void (*visit)(void *context, uint64_t inode), void *context)
{
    struct attachment *stale;
    for (uint64_t base = 0; (stale = next_stale(table, base));) {
        base = stale->base;
        uint64_t rows[256];
        int count = ensure_open(table, stale, NULL) < 0 ? 0 : 1;
        for (uint64_t after = 0; count > 0;) {
            count = catalog_directories(stale->catalog, after, rows, sizeof rows / sizeof rows[0]);
            for (int index = 0; index < count; index++)
                visit(context, base + (after = rows[index]));
        }
        attachment_release(table, stale);
    }
}

void attachment_remember(struct attachment_table *table, uint64_t inode, uint64_t count)
{
    (void)pthread_mutex_lock(&table->lock);
    struct attachment *owner = owner_of(table, inode);
    if (owner)
        owner->kernel_references += count;
    (void)pthread_mutex_unlock(&table->lock);
}

void attachment_forget(struct attachment_table *table, uint64_t inode, uint64_t count)
{
    (void)pthread_mutex_lock(&table->lock);
    struct attachment *owner = owner_of(table, inode);
    if (owner)
        owner->kernel_references -=
            count < owner->kernel_references ? count : owner->kernel_references;
    (void)pthread_mutex_unlock(&table->lock);
}

void attachment_totals(struct attachment_table *table, uint64_t *catalogs, uint64_t *entries,
                       uint64_t *last_inode)
{
    *catalogs = 0;
    *entries = 0;
    (void)pthread_mutex_lock(&table->lock);
    for (size_t index = 0; index < table->count; index++) {
        const struct attachment *item = table->items[index];
        if (item->generation != table->generation)
            continue;
        const uint64_t *self = item->statistics.self;
        ++*catalogs;
        *entries += self[COUNTER_REGULAR] + self[COUNTER_SYMLINK] + self[COUNTER_SPECIAL] +
                    self[COUNTER_DIR];
    }
    *last_inode = table->next_base;
    (void)pthread_mutex_unlock(&table->lock);
}
