#include "payload/client/prefetch.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4
#define QUEUE_LENGTH 16

struct prefetcher {
    struct fetcher *fetcher;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct object queue[QUEUE_LENGTH]; /* with texts of their own */
    size_t first;
    size_t count;
    unsigned threads;
    bool closing;
};

int prefetcher_create(struct fetcher *fetcher, struct prefetcher **prefetcher)
{
    *prefetcher = calloc(1, sizeof **prefetcher);
    if (!*prefetcher)
        return -ENOMEM;
    (*prefetcher)->fetcher = fetcher;
    (void)pthread_mutex_init(&(*prefetcher)->lock, NULL);
    (void)pthread_cond_init(&(*prefetcher)->idle, NULL);
    return 0;
}

static void free_texts(const struct object *object)
{
    free((void *)(uintptr_t)object->external);
    free((void *)(uintptr_t)object->label);
}

static void *work(void *context)
{
    struct prefetcher *prefetcher = context;
    (void)pthread_mutex_lock(&prefetcher->lock);
    while (prefetcher->count > 0 && !prefetcher->closing) {
        const struct object object = prefetcher->queue[prefetcher->first];
        prefetcher->first = (prefetcher->first + 1) % QUEUE_LENGTH;
        prefetcher->count--;
        (void)pthread_mutex_unlock(&prefetcher->lock);
        int fd = fetch_object(prefetcher->fetcher, &object, NULL);
        if (fd >= 0)
            (void)close(fd); /* it is in the cache now */
        free_texts(&object);
        (void)pthread_mutex_lock(&prefetcher->lock);
    }
    prefetcher->threads--;
    (void)pthread_cond_broadcast(&prefetcher->idle);
    (void)pthread_mutex_unlock(&prefetcher->lock);
    return NULL;
}

void prefetcher_destroy(struct prefetcher *prefetcher)
{
    if (!prefetcher)
        return;
    (void)pthread_mutex_lock(&prefetcher->lock);
    prefetcher->closing = true;
    while (prefetcher->threads > 0)
        (void)pthread_cond_wait(&prefetcher->idle, &prefetcher->lock);
    (void)pthread_mutex_unlock(&prefetcher->lock);
    for (size_t index = 0; index < prefetcher->count; index++)
        free_texts(&prefetcher->queue[(prefetcher->first + index) % QUEUE_LENGTH]);
    (void)pthread_mutex_destroy(&prefetcher->lock);
    (void)pthread_cond_destroy(&prefetcher->idle);
    free(prefetcher);
}

static bool is_queued(const struct prefetcher *prefetcher, const struct hash *hash)
{
    for (size_t index = 0; index < prefetcher->count; index++)
        if (hash_equal(&prefetcher->queue[(prefetcher->first + index) % QUEUE_LENGTH].hash, hash))
            return true;
    return false;
}

void prefetch(struct prefetcher *prefetcher, const struct object *object)
{
    (void)pthread_mutex_lock(&prefetcher->lock);
    if (prefetcher->count < QUEUE_LENGTH && !prefetcher->closing &&
        !is_queued(prefetcher, &object->hash)) {
        struct object copy = *object;
        copy.external = object->external ? strdup(object->external) : NULL;
        copy.label = object->label ? strdup(object->label) : NULL;
        prefetcher->queue[(prefetcher->first + prefetcher->count++) % QUEUE_LENGTH] = copy;
        pthread_t thread;
        if (prefetcher->threads < THREADS && pthread_create(&thread, NULL, work, prefetcher) == 0) {
            (void)pthread_detach(thread);
            prefetcher->threads++;
        }
    }
    (void)pthread_mutex_unlock(&prefetcher->lock);
}
