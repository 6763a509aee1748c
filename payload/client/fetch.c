/* Cache first, then one download for all who want the object. The bytes are checked by the
 * receiver, the servers are chosen by the downloader. */
#include "payload/client/fetch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/client/flight.h"
#include "payload/client/log.h"
#include "payload/client/receiver.h"
#include "payload/client/throttle.h"

/* What is kept for the next fetch, of the memory of the ones before. */
#define RECEIVERS_KEPT 4
/* Objects from this size on are not even asked for when the cache cannot hold them. */
#define SIZE_WORTH_A_LOOK (1024 * 1024)

struct fetcher {
    struct cache *cache;
    struct downloader *regular;
    struct downloader *external;
    struct flight_table flights;
    struct throttle throttle;
    pthread_mutex_t lock; /* over the next two */
    struct receiver *receivers;
    unsigned receiver_count;
    void (*on_wait)(void);
    pthread_mutex_t full_disk; /* held by who makes room on it */
    void (*on_full_disk)(void *context);
    void *on_full_disk_context;
};

int fetcher_create(struct cache *cache, struct downloader *regular, struct downloader *external,
                   struct fetcher **fetcher)
{
    struct fetcher *made = malloc(sizeof *made);
    if (!made)
        return -ENOMEM;
    *made = (struct fetcher){
        .cache = cache,
        .regular = regular,
        .external = external,
        .flights = FLIGHT_TABLE_INIT,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .full_disk = PTHREAD_MUTEX_INITIALIZER,
    };
    *fetcher = made;
    return 0;
}

void fetcher_destroy(struct fetcher *fetcher)
{
    if (!fetcher)
        return;
    while (fetcher->receivers) {
        struct receiver *receiver = fetcher->receivers;
        fetcher->receivers = receiver->next;
        receiver_destroy(receiver);
    }
    (void)pthread_mutex_destroy(&fetcher->lock);
    (void)pthread_mutex_destroy(&fetcher->full_disk);
    (void)pthread_mutex_destroy(&fetcher->flights.lock);
    free(fetcher);
}

static struct receiver *take_receiver(struct fetcher *fetcher)
{
    (void)pthread_mutex_lock(&fetcher->lock);
    struct receiver *receiver = fetcher->receivers;
    if (receiver) {
        fetcher->receivers = receiver->next;
        fetcher->receiver_count--;
    }
    (void)pthread_mutex_unlock(&fetcher->lock);
    return receiver ? receiver : receiver_create();
}

static void give_receiver(struct fetcher *fetcher, struct receiver *receiver)
{
    (void)pthread_mutex_lock(&fetcher->lock);
    bool keep = fetcher->receiver_count < RECEIVERS_KEPT;
    if (keep) {
        receiver->next = fetcher->receivers;
        fetcher->receivers = receiver;
        fetcher->receiver_count++;
    }
    (void)pthread_mutex_unlock(&fetcher->lock);
    if (!keep)
        receiver_destroy(receiver);
}

void fetch_discard(struct fetcher *fetcher, const struct hash *hash)
{
    int result = cache_remove(fetcher->cache, hash);
    char text[HASH_TEXT_SIZE];
    if (result < 0) /* the next one who looks at it will find it damaged again */
        log_message(LOG_ERR, "failed to remove the damaged object %s from the cache (%d)",
                    hash_format(hash, text), -result);
}

/* A crash of the machine can leave an object shorter than it was. */
int fetch_cached(struct fetcher *fetcher, const struct hash *hash, uint64_t size)
{
    struct stat status;
    auto_fd int fd = cache_find(fetcher->cache, hash, &status);
    if (fd < 0)
        return fd;
    if (size == OBJECT_SIZE_UNKNOWN || (uint64_t)status.st_size == size)
        return steal_fd(&fd);
    fetch_discard(fetcher, hash);
    return -ENOENT;
}

bool fetch_is_cached(struct fetcher *fetcher, const struct hash *hash)
{
    return cache_has(fetcher->cache, hash);
}

void fetch_on_wait(struct fetcher *fetcher, void (*callback)(void))
{
    fetcher->on_wait = callback;
}

void fetch_on_full_disk(struct fetcher *fetcher, void (*callback)(void *context), void *context)
{
    fetcher->on_full_disk = callback;
    fetcher->on_full_disk_context = context;
}

static void close_unused(struct fetcher *fetcher)
{
    if (fetcher->on_full_disk)
        fetcher->on_full_disk(fetcher->on_full_disk_context);
}

static int make_room(struct fetcher *fetcher)
{
    (void)pthread_mutex_lock(&fetcher->full_disk);
    close_unused(fetcher); /* that may be enough */
    int result = cache_make_room(fetcher->cache);
    close_unused(fetcher);
    (void)pthread_mutex_unlock(&fetcher->full_disk);
    return result;
}

#define OBJECT_URL_SIZE (sizeof "/.cvmfsalt-" + HASH_TEXT_SIZE + 1)

/* cvmfs-format.md 1.2 and 1.5 */
static void format_path(const struct object *object, char path[OBJECT_URL_SIZE])
{
    char hash[HASH_TEXT_SIZE];
    (void)hash_format(&object->hash, hash);
    int length = object->alternative
                     ? snprintf(path, OBJECT_URL_SIZE, "/.cvmfsalt-%s", hash)
                     : snprintf(path, OBJECT_URL_SIZE, "/data/%.2s/%s", hash, hash + 2);
    path[length] = object->suffix;
    path[length + 1] = '\0';
}

static int download_object(struct fetcher *fetcher, const struct object *object,
                           struct receiver *receiver, enum download_failure *failure,
                           struct error *error)
{
    char path[OBJECT_URL_SIZE];
    format_path(object, path);
    struct download_request request = {
        .path = object->external ? object->external : path,
        .label = object->label,
        .info = object->suffix == 'X' ? NULL : object->label,
        .offset = object->offset,
        .length = object->range_length,
        .sink = receiver_sink(receiver),
    };
    if (!object->external)
        return download(fetcher->regular, &request, failure, error);
    if (fetcher->external)
        return download(fetcher->external, &request, failure, error);
    *failure = DOWNLOAD_BAD_URL;
    return error_set(error, -EIO, "%s: no server for external files (CVMFS_EXTERNAL_URL)",
                     object->label ? object->label : object->external);
}

/* Into the cache, or where it does not belong there, aside. */
static int commit(struct fetcher *fetcher, const struct object *object, struct receiver *receiver,
                  struct error *error)
{
    struct cache_transaction *transaction = &receiver->transaction;
    if (!receiver_has_right_size(receiver)) {
        uint64_t decoded = receiver->decoded;
        if (decoded < object->size && transaction->fd >= 0)
            cache_quarantine(fetcher->cache, transaction, &object->hash);
        return error_set(
            error, -EIO, "%s has %s than %llu bytes", object->label ? object->label : "an object",
            decoded < object->size ? "less" : "more", (unsigned long long)object->size);
    }
    int fd = transaction->fd;
    int result = cache_commit(fetcher->cache, transaction, &object->hash, receiver->decoded, error);
    transaction->fd = -1;
    return result < 0 ? result : fd;
}

static int check_room(struct fetcher *fetcher, const struct object *object, struct error *error)
{
    uint64_t used = 0;
    uint64_t limit = 0;
    if (object->size == OBJECT_SIZE_UNKNOWN || object->size < SIZE_WORTH_A_LOOK)
        return 0;
    cache_usage(fetcher->cache, &used, &limit);
    if (limit == 0 || object->size <= limit - limit / 2)
        return 0;
    return error_set(error, -ENOSPC, "%s is too large for the cache (CVMFS_QUOTA_LIMIT)",
                     object->label ? object->label : "an object");
}

/* `disk_is_full` is set when there was no room to write the object to. */
static int fetch_once(struct fetcher *fetcher, const struct object *object, bool *disk_is_full,
                      enum download_failure *failure, struct error *error)
{
    *failure = DOWNLOAD_LOCAL_IO;
    int result = check_room(fetcher, object, error);
    if (result < 0)
        return result;
    struct receiver *receiver = take_receiver(fetcher);
    if (!receiver)
        return error_system(error, -ENOMEM, "fetching an object");
    struct error local = ERROR_INIT;
    result = receiver_begin(receiver, fetcher->cache, object, &local);
    if (result == 0) {
        result = download_object(fetcher, object, receiver, failure, error);
        if (result == 0) {
            *failure = DOWNLOAD_LOCAL_IO;
            result = commit(fetcher, object, receiver, error);
        }
        receiver_end(receiver);
    }
    *disk_is_full = local.code == -ENOSPC || local.code == -EDQUOT;
    if (local.code < 0) {
        *error = local;
        (void)error_prefix(error, "fetching %s", object->label ? object->label : "an object");
    }
    give_receiver(fetcher, receiver);
    return result;
}

/* Where the disk is full although the cache may still grow, the cache has to shrink: that of a user
 * with a quota, a small image, a disk that others fill. */
static int fetch_anew(struct fetcher *fetcher, const struct object *object,
                      enum download_failure *failure, struct error *error)
{
    bool disk_is_full = false;
    int result = fetch_once(fetcher, object, &disk_is_full, failure, error);
    if (!disk_is_full || make_room(fetcher) < 0)
        return result;
    return fetch_once(fetcher, object, &disk_is_full, failure, error);
}

/* What the first of those who want an object does. */
static int lead(struct fetcher *fetcher, const struct object *object, struct error *error,
                enum download_failure *failure)
{
    *failure = DOWNLOAD_OK;
    int fd = fetch_cached(fetcher, &object->hash,
                          object->size); /* it may have come just before this flight began */
    if (fd >= 0)
        return fd;
    fd = fetch_anew(fetcher, object, failure, error);
    char text[HASH_TEXT_SIZE];
    if (fd < 0)
        log_message(LOG_ERR, "failed to fetch %s (hash: %s, error %d [%s])",
                    object->label ? object->label : "object", hash_format(&object->hash, text),
                    *failure, download_failure_text(*failure));
    return fd;
}

int fetch_object(struct fetcher *fetcher, const struct object *object, struct error *error)
{
    struct error ignored = ERROR_INIT;
    error = error ? error : &ignored;
    if (hash_is_null(&object->hash))
        return error_set(error, -EIO, "%s has no content hash",
                         object->label ? object->label : "an object");
    const struct flight_key key = {
        .hash = object->hash, .suffix = object->suffix, .external = object->external != NULL};
    for (;;) {
        int fd = fetch_cached(fetcher, &object->hash, object->size);
        if (fd >= 0)
            return fd;
        if (fetcher->on_wait)
            fetcher->on_wait();
        struct flight *flight;
        int result = flight_board(&fetcher->flights, &key, &flight, error);
        if (result < 0)
            return result;
        if (result == 0)
            continue; /* it is in the cache, unless a clean-up was very quick */
        enum download_failure failure;
        fd = lead(fetcher, object, error, &failure);
        flight_land(&fetcher->flights, flight, fd < 0 ? fd : 0, error);
        if (fd < 0 && failure != DOWNLOAD_CANCELLED)
            throttle_pause(&fetcher->throttle);
        return fd;
    }
}
