/* One walk over the 256 directories, one sort by age, then unlink from the oldest on. Takes no
 * locks: that only one process cleans up at a time is the caller's business. */
#include "payload/client/cache_cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/client/breadcrumb.h"
#include "payload/client/cache_layout.h"
#include "payload/client/hash.h"

#define TRANSACTION_AGE (24 * 60 * 60) /* seconds */

struct found {
    int64_t used_at; /* seconds */
    uint64_t size;
    struct hash hash;
    bool pinned;
};

struct census {
    struct found *items;
    size_t count;
    size_t capacity;
    uint64_t bytes;
};

static void census_free(struct census *census)
{
    free(census->items);
}

#define auto_census __attribute__((cleanup(census_free)))

static int census_add(struct census *census, const struct found *found)
{
    if (census->count == census->capacity) {
        size_t capacity = census->capacity ? 2 * census->capacity : 1024;
        struct found *items = reallocarray(census->items, capacity, sizeof *items);
        if (!items)
            return -ENOMEM;
        census->items = items;
        census->capacity = capacity;
    }
    census->items[census->count++] = *found;
    census->bytes += found->size;
    return 0;
}

static DIR *directory_open(int parent, const char *name)
{
    auto_fd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    DIR *directory = fdopendir(fd);
    if (directory)
        (void)steal_fd(&fd);
    return directory;
}

/* The hash behind the directory "ab" and the name in it; -EINVAL for what is no object. */
static int object_hash(const char *directory, const char *name, struct hash *hash)
{
    char text[HASH_TEXT_SIZE + 1];
    int length = snprintf(text, sizeof text, "%s%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof text)
        return -EINVAL;
    return hash_parse(text, (size_t)length, hash);
}

static int count_directory(int cache, const char *name, struct census *census)
{
    auto_directory DIR *directory = directory_open(cache, name);
    if (!directory)
        return errno == ENOENT ? 0 : -errno;
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        struct found found = {.pinned = false};
        struct stat status;
        if (object_hash(name, entry->d_name, &found.hash) < 0 ||
            fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(status.st_mode))
            continue;
        found.used_at = status.st_atim.tv_sec;
        found.size = (uint64_t)status.st_size;
        int result = census_add(census, &found);
        if (result < 0)
            return result;
    }
    return 0;
}

static int count_objects(int cache, struct census *census)
{
    for (unsigned index = 0; index < 256; index++) {
        char name[3];
        (void)snprintf(name, sizeof name, "%02x", index);
        int result = count_directory(cache, name, census);
        if (result < 0)
            return result;
    }
    return 0;
}

static void pin(struct census *census, const struct hash *hash)
{
    for (size_t index = 0; index < census->count; index++)
        if (hash_equal(&census->items[index].hash, hash))
            census->items[index].pinned = true;
}

/* Without its root catalog a repository cannot start when its servers are gone. */
static int pin_breadcrumbs(int cache, struct census *census)
{
    auto_directory DIR *directory = directory_open(cache, ".");
    if (!directory)
        return -errno;
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        struct breadcrumb breadcrumb;
        if (string_starts_with(entry->d_name, BREADCRUMB_PREFIX) &&
            breadcrumb_read(cache, entry->d_name, &breadcrumb) == 0)
            pin(census, &breadcrumb.catalog);
    }
    return 0;
}

static int compare_age(const void *one, const void *other)
{
    const struct found *a = one;
    const struct found *b = other;
    return (a->used_at > b->used_at) - (a->used_at < b->used_at);
}

static void remove_oldest(int cache, struct census *census, uint64_t goal)
{
    qsort(census->items, census->count, sizeof *census->items, compare_age);
    for (size_t index = 0; index < census->count && census->bytes > goal; index++) {
        const struct found *found = &census->items[index];
        if (found->pinned)
            continue;
        char path[OBJECT_PATH_SIZE];
        if (unlinkat(cache, object_path(&found->hash, path), 0) == 0 || errno == ENOENT)
            census->bytes -= found->size;
    }
}

int cache_cleanup(int directory, uint64_t limit, uint64_t goal, uint64_t *used, struct error *error)
{
    auto_census struct census census = {.items = NULL};
    int result = count_objects(directory, &census);
    if (result == 0 && census.bytes > limit) {
        result = pin_breadcrumbs(directory, &census);
        if (result == 0)
            remove_oldest(directory, &census, goal);
    }
    if (result < 0)
        return error_system(error, result, "cleaning up the cache");
    *used = census.bytes;
    return 0;
}

void cache_sweep_transactions(int directory)
{
    auto_directory DIR *transactions = directory_open(directory, TRANSACTION_DIRECTORY);
    if (!transactions)
        return;
    const int64_t now = time(NULL);
    const struct dirent *entry;
    while ((entry = readdir(transactions))) {
        struct stat status;
        if (fstatat(dirfd(transactions), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode) && now - status.st_mtim.tv_sec > TRANSACTION_AGE)
            (void)unlinkat(dirfd(transactions), entry->d_name, 0); /* another may have been first */
    }
}
