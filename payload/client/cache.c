/* The cache directory: finding and committing objects, and the decision to clean up. Counting bytes
 * and removing objects have files of their own; downloading is the fetcher's. */
#include "payload/client/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/cache_cleanup.h"
#include "payload/client/cache_layout.h"
#include "payload/client/cache_usage.h"
#include "payload/client/log.h"

#define TOUCH_AGE 600            /* seconds: a use is noted when the last one is older */
#define COUNT_AGE (24 * 60 * 60) /* seconds: then all objects are counted anew */

struct cache {
    int directory;
    char *path; /* for messages */
    bool alien;
    uint64_t limit; /* 0: unmanaged, and `usage` is not open */
    struct usage usage;
    uint64_t name_seed;
    atomic_uint_fast64_t name_count;
    atomic_bool swept;             /* old transactions have been looked for */
    atomic_bool without_noreplace; /* this file system cannot rename without replacing */
};

static mode_t directory_mode(const struct cache *cache)
{
    return cache->alien ? 0770 : 0700;
}

/* Makes one directory of the structure; the umask does not count in an alien cache, which is meant
 * to be shared. */
static int structure_make(const struct cache *cache, const char *name)
{
    if (mkdirat(cache->directory, name, directory_mode(cache)) < 0)
        return errno == EEXIST ? 0 : -errno;
    if (cache->alien && fchmodat(cache->directory, name, directory_mode(cache), 0) < 0)
        return -errno;
    return 0;
}

/* A descriptor of the cache directory, which is made when it is missing. */
static int directory_open(const struct cache *cache, struct error *error)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int directory = open(cache->path, flags);
    if (directory < 0 && errno == ENOENT) {
        int result = directory_make(AT_FDCWD, cache->path, directory_mode(cache));
        if (result < 0)
            return error_system(error, result, "making the cache directory %s", cache->path);
        directory = open(cache->path, flags);
        if (cache->alien && directory >= 0) {
            (void)fchmod(directory, 0770); /* the umask is not meant for a shared place */
            log_message(LOG_NOTICE, "Cache directory structure created.");
        }
    }
    return directory < 0
               ? error_system(error, -errno, "opening the cache directory %s", cache->path)
               : directory;
}

static int cache_open(struct cache *cache, const struct cache_options *options, struct error *error)
{
    cache->directory = directory_open(cache, error);
    if (cache->directory < 0)
        return cache->directory;
    if (options->limit <= 0)
        return 0;
    int result = usage_open(cache->directory, &cache->usage);
    if (result < 0)
        return error_system(error, result, "opening the quota file in the cache directory %s",
                            options->directory);
    cache->limit = (uint64_t)options->limit;
    return 0;
}

int cache_create(const struct cache_options *options, struct cache **cache, struct error *error)
{
    struct cache *created = calloc(1, sizeof *created);
    if (!created)
        return error_system(error, -ENOMEM, "opening the cache");
    created->directory = -1;
    created->alien = options->alien;
    created->path = strdup(options->directory);
    if (getrandom(&created->name_seed, sizeof created->name_seed, GRND_NONBLOCK) < 0)
        created->name_seed = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid(); /* O_EXCL decides */
    int result = created->path ? cache_open(created, options, error)
                               : error_system(error, -ENOMEM, "opening the cache");
    if (result < 0) {
        cache_destroy(created);
        return result;
    }
    *cache = created;
    return 0;
}

int cache_complete(struct cache *cache)
{
    if (faccessat(cache->directory, STRUCTURE_MARKER, F_OK, 0) == 0)
        return 0;
    int result = structure_make(cache, TRANSACTION_DIRECTORY);
    if (result == 0)
        result = structure_make(cache, QUARANTINE_DIRECTORY);
    for (unsigned index = 0; result == 0 && index < 256; index++) {
        char name[3];
        (void)snprintf(name, sizeof name, "%02x", index);
        result = structure_make(cache, name);
    }
    if (result < 0)
        return result;
    auto_fd int marker =
        openat(cache->directory, STRUCTURE_MARKER, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
               cache->alien ? 0660 : 0600);
    return marker < 0 ? -errno : 0;
}

void cache_destroy(struct cache *cache)
{
    if (!cache)
        return;
    if (cache->limit)
        usage_close(&cache->usage);
    scope_close_fd(&cache->directory);
    free(cache->path);
    free(cache);
}

int cache_directory(const struct cache *cache)
{
    return cache->directory;
}

/* Access times as the kernel keeps them (relatime, noatime) tell too little, so uses are noted
 * here. That it fails in somebody else's or a read-only cache costs the order of removal only. */
static void note_use(int fd, const struct stat *status)
{
    if (time(NULL) - status->st_atim.tv_sec > TOUCH_AGE)
        (void)futimens(fd, (struct timespec[]){{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}});
}

int cache_find(struct cache *cache, const struct hash *hash, struct stat *status)
{
    if (hash_is_null(hash))
        return -ENOENT;
    char path[OBJECT_PATH_SIZE];
    auto_fd int fd =
        openat(cache->directory, object_path(hash, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    struct stat own;
    struct stat *facts = status ? status : &own;
    if ((status || cache->limit) && fstat(fd, facts) < 0)
        return -errno;
    if (cache->limit)
        note_use(fd, facts);
    return steal_fd(&fd);
}

bool cache_has(struct cache *cache, const struct hash *hash)
{
    char path[OBJECT_PATH_SIZE];
    return !hash_is_null(hash) &&
           faccessat(cache->directory, object_path(hash, path), F_OK, 0) == 0;
}

/* The whole directory is gone: somebody tidies up. It is made again and takes the place of the old
 * one under the same descriptor, because other threads are using that. 0 when it is there (again).
 */
static int directory_restore(struct cache *cache)
{
    struct stat status;
    if (fstat(cache->directory, &status) == 0 && status.st_nlink > 0)
        return 0;
    if (cache->path[0] != '/') /* relative to where the process was started */
        return -ENOENT;
    auto_fd int directory = directory_open(cache, NULL);
    if (directory < 0)
        return directory;
    if (dup3(directory, cache->directory, O_CLOEXEC) < 0)
        return -errno;
    log_message(LOG_WARNING, "the cache directory %s was removed; it is made again", cache->path);
    return cache->limit ? usage_reopen(cache->directory, &cache->usage) : 0;
}

static int transaction_directory_make(struct cache *cache)
{
    int result = structure_make(cache, TRANSACTION_DIRECTORY);
    if (result == -ENOENT) {
        result = directory_restore(cache);
        if (result == 0)
            result = structure_make(cache, TRANSACTION_DIRECTORY);
    }
    return result;
}

static int transaction_open(struct cache *cache, struct cache_transaction *transaction)
{
    for (;;) {
        /* Odd constant: all names of a process differ, and rarely meet those of another one. */
        uint64_t number = cache->name_seed +
                          atomic_fetch_add(&cache->name_count, 1) * UINT64_C(0x9e3779b97f4a7c15);
        (void)snprintf(transaction->name, sizeof transaction->name,
                       TRANSACTION_DIRECTORY "/fetch%016llx", (unsigned long long)number);
        int fd = openat(cache->directory, transaction->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                        cache->alien ? 0660 : 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd >= 0 ? fd : -errno;
    }
}

int cache_begin(struct cache *cache, struct cache_transaction *transaction, struct error *error)
{
    if (!atomic_exchange(&cache->swept, true))
        cache_sweep_transactions(cache->directory);
    transaction->fd = transaction_open(cache, transaction);
    if (transaction->fd == -ENOENT && transaction_directory_make(cache) == 0)
        transaction->fd = transaction_open(cache, transaction);
    if (transaction->fd < 0) {
        int failure = transaction->fd;
        transaction->fd = -1;
        return error_system(error, failure, "making a file in the cache directory %s", cache->path);
    }
    if (cache->alien && fchmod(transaction->fd, 0660) < 0) {
        int failure = -errno;
        cache_abort(cache, transaction);
        return error_system(error, failure, "sharing a file in the cache directory %s",
                            cache->path);
    }
    return 0;
}

void cache_abort(struct cache *cache, struct cache_transaction *transaction)
{
    if (transaction->fd < 0)
        return;
    (void)unlinkat(cache->directory, transaction->name, 0); /* what stays is swept some day */
    scope_close_fd(&transaction->fd);
    transaction->fd = -1;
}

/* One rename that does not replace. -EEXIST when the object is there already. */
static int object_publish(struct cache *cache, const char *from, const char *to)
{
    if (!atomic_load(&cache->without_noreplace)) {
        if (renameat2(cache->directory, from, cache->directory, to, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EINVAL && errno != ENOSYS)
            return -errno;
        atomic_store(&cache->without_noreplace, true); /* NFS, for one */
    }
    if (faccessat(cache->directory, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return renameat(cache->directory, from, cache->directory, to) < 0 ? -errno : 0;
}

/* Not so after a crash of the machine. */
static bool object_is_whole(const struct cache *cache, const char *path, uint64_t size)
{
    struct stat status;
    return fstatat(cache->directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           (uint64_t)status.st_size == size;
}

/* Counts, and where the limit is passed removes, unless another thread or process is at it. */
static void clean_up(struct cache *cache)
{
    if (!usage_try_cleaning(&cache->usage))
        return;
    const uint64_t before = usage_load(&cache->usage).used;
    const int64_t now = time(NULL);
    struct error error = ERROR_INIT;
    uint64_t used;
    int result = cache_cleanup(cache->directory, cache->limit, cache->limit / 2, &used, &error);
    if (result == 0)
        usage_correct(&cache->usage, before, used, now);
    else
        log_message(LOG_ERR, "%s", error.message);
    usage_end_cleaning(&cache->usage);
}

/* Then somebody else has just made it. */
static bool has_room(const struct cache *cache)
{
    struct statvfs status;
    return fstatvfs(cache->directory, &status) == 0 && status.f_bavail > status.f_blocks / 8;
}

int cache_make_room(struct cache *cache)
{
    if (!cache->limit)
        return -ENOSPC;
    /* Another process is at it already: what it removes is room for us, too. */
    if (has_room(cache) || !usage_try_cleaning(&cache->usage))
        return 0;
    const uint64_t before = usage_load(&cache->usage).used;
    const int64_t now = time(NULL);
    uint64_t used = 0;
    int result = cache_cleanup(cache->directory, UINT64_MAX, 0, &used, NULL); /* counts only */
    const uint64_t counted = used;
    if (result == 0)
        result = cache_cleanup(cache->directory, counted / 2, counted / 2, &used, NULL);
    if (result == 0) {
        usage_correct(&cache->usage, before, used, now);
        log_message(LOG_WARNING, "the disk of the cache %s is full: removed %llu of %llu bytes",
                    cache->path, (unsigned long long)(counted - used), (unsigned long long)counted);
    }
    usage_end_cleaning(&cache->usage);
    return result;
}

static void account(struct cache *cache, uint64_t size)
{
    struct usage_state state = usage_add(&cache->usage, (int64_t)size);
    if (state.used > cache->limit || time(NULL) - state.counted > COUNT_AGE)
        clean_up(cache);
}

static int commit_check(const struct cache *cache, const struct cache_transaction *transaction,
                        const struct hash *hash, uint64_t size, struct error *error)
{
    struct stat status;
    if (hash_is_null(hash))
        return error_set(error, -EINVAL, "an object without a hash");
    if (fstat(transaction->fd, &status) < 0)
        return error_system(error, -errno, "looking at a file in the cache directory %s",
                            cache->path);
    if ((uint64_t)status.st_size != size)
        return error_set(error, -EIO, "a file in the cache directory %s has %lld bytes, not %llu",
                         cache->path, (long long)status.st_size, (unsigned long long)size);
    if (cache->limit && size > cache->limit - cache->limit / 2)
        return error_set(error, -ENOSPC,
                         "an object of %llu bytes is too large for the cache directory %s, whose "
                         "limit is %llu bytes (CVMFS_QUOTA_LIMIT)",
                         (unsigned long long)size, cache->path, (unsigned long long)cache->limit);
    return 0;
}

int cache_commit(struct cache *cache, struct cache_transaction *transaction,
                 const struct hash *hash, uint64_t size, struct error *error)
{
    int result = commit_check(cache, transaction, hash, size, error);
    if (result == 0 && lseek(transaction->fd, 0, SEEK_SET) < 0)
        result = error_system(error, -errno, "rewinding an object");
    if (result < 0) {
        cache_abort(cache, transaction);
        return result;
    }
    char path[OBJECT_PATH_SIZE];
    (void)object_path(hash, path);
    result = object_publish(cache, transaction->name, path);
    if (result == -ENOENT) { /* the first object in this directory */
        const char name[3] = {path[0], path[1], '\0'};
        if (structure_make(cache, name) == 0)
            result = object_publish(cache, transaction->name, path);
    }
    if (result == -EEXIST && object_is_whole(cache, path, size)) {
        (void)unlinkat(cache->directory, transaction->name, 0); /* swept some day if it stays */
        return 0;
    }
    if (result == -EEXIST)
        result = renameat(cache->directory, transaction->name, cache->directory, path) ? -errno : 0;
    if (result < 0) {
        cache_abort(cache, transaction);
        return error_system(error, result, "moving a file into the cache directory %s",
                            cache->path);
    }
    if (cache->limit)
        account(cache, size);
    return 0;
}

void cache_quarantine(struct cache *cache, struct cache_transaction *transaction,
                      const struct hash *hash)
{
    char text[HASH_TEXT_SIZE];
    char path[sizeof QUARANTINE_DIRECTORY + HASH_TEXT_SIZE];
    (void)snprintf(path, sizeof path, QUARANTINE_DIRECTORY "/%s", hash_format(hash, text));
    if (transaction->fd >= 0 && text[0] && structure_make(cache, QUARANTINE_DIRECTORY) == 0 &&
        renameat(cache->directory, transaction->name, cache->directory, path) == 0) {
        scope_close_fd(&transaction->fd);
        transaction->fd = -1;
    }
    cache_abort(cache, transaction);
}

int cache_remove(struct cache *cache, const struct hash *hash)
{
    char path[OBJECT_PATH_SIZE];
    struct stat status;
    if (hash_is_null(hash))
        return -EINVAL;
    if (fstatat(cache->directory, object_path(hash, path), &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        unlinkat(cache->directory, path, 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (cache->limit)
        (void)usage_add(&cache->usage, -(int64_t)status.st_size);
    return 0;
}

void cache_usage(struct cache *cache, uint64_t *used, uint64_t *limit)
{
    *used = 0;
    *limit = cache->limit;
    if (!cache->limit)
        return;
    struct usage_state state = usage_load(&cache->usage);
    if (state.counted == 0) { /* a cache filled by somebody else, or after a crash */
        clean_up(cache);
        state = usage_load(&cache->usage);
    }
    *used = state.used < cache->limit ? state.used : cache->limit;
}
