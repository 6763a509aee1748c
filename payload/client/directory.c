/* A direct-mapped table of the directories used last. */
#include "payload/client/directory.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_COUNT 1024 /* a power of two */

struct slot {
    uint64_t inode; /* 0: empty */
    uint64_t base;
    char *path;
    size_t length;
};

struct directory_cache {
    pthread_mutex_t lock;
    uint64_t generation;
    struct slot slots[SLOT_COUNT];
};

int directory_cache_create(struct directory_cache **cache)
{
    *cache = calloc(1, sizeof **cache);
    if (!*cache)
        return -ENOMEM;
    (void)pthread_mutex_init(&(*cache)->lock, NULL);
    return 0;
}

void directory_cache_destroy(struct directory_cache *cache)
{
    if (!cache)
        return;
    directory_cache_clear(cache);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static struct slot *slot_of(struct directory_cache *cache, uint64_t inode)
{
    return &cache->slots[(inode ^ inode >> 10) & (SLOT_COUNT - 1)];
}

int directory_cache_find(struct directory_cache *cache, uint64_t inode, uint64_t *base,
                         struct text *path)
{
    int result = -ENOENT;
    (void)pthread_mutex_lock(&cache->lock);
    const struct slot *slot = slot_of(cache, inode);
    if (slot->inode == inode) {
        *base = slot->base;
        result = text_append(path, slot->path, slot->length);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return result;
}

void directory_cache_keep(struct directory_cache *cache, uint64_t generation, uint64_t inode,
                          uint64_t base, const struct text *path)
{
    char *copy = malloc(path->length + 1);
    if (!copy)
        return; /* it is only a cache */
    if (path->length)
        memcpy(copy, path->bytes, path->length);
    copy[path->length] = '\0';
    (void)pthread_mutex_lock(&cache->lock);
    if (cache->generation == generation) {
        struct slot *slot = slot_of(cache, inode);
        char *old = slot->path;
        *slot = (struct slot){inode, base, copy, path->length};
        copy = old;
    }
    (void)pthread_mutex_unlock(&cache->lock);
    free(copy);
}

uint64_t directory_cache_generation(struct directory_cache *cache)
{
    (void)pthread_mutex_lock(&cache->lock);
    uint64_t generation = cache->generation;
    (void)pthread_mutex_unlock(&cache->lock);
    return generation;
}

void directory_cache_clear(struct directory_cache *cache)
{
    (void)pthread_mutex_lock(&cache->lock);
    cache->generation++;
    for (size_t index = 0; index < SLOT_COUNT; index++) {
        free(cache->slots[index].path);
        cache->slots[index] = (struct slot){0, 0, NULL, 0};
    }
    (void)pthread_mutex_unlock(&cache->lock);
}
