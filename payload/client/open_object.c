/* A small direct-mapped table: an object gives up its place when another wants it, and is closed
 * when its last user has gone. */
#include "payload/client/open_object.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/client/descriptor_share.h"

#define MOST_SLOTS 64 /* as many descriptors stay open */

struct open_object_table {
    pthread_mutex_t lock;
    size_t slot_count;
    struct open_object *slots[MOST_SLOTS]; /* a slot counts as one user */
};

int open_object_table_create(struct open_object_table **table)
{
    *table = calloc(1, sizeof **table);
    if (!*table)
        return -ENOMEM;
    (*table)->slot_count = descriptor_share(MOST_SLOTS);
    (void)pthread_mutex_init(&(*table)->lock, NULL);
    return 0;
}

static void object_close(struct open_object *object)
{
    (void)close(object->fd); /* it was only read */
    free(object);
}

/* Under the lock; true when the caller has to close the object outside of it. */
static bool drop_user(struct open_object *object)
{
    return --object->users == 0;
}

void open_object_table_destroy(struct open_object_table *table)
{
    if (!table)
        return;
    for (size_t index = 0; index < table->slot_count; index++)
        if (table->slots[index] && drop_user(table->slots[index]))
            object_close(table->slots[index]);
    (void)pthread_mutex_destroy(&table->lock);
    free(table);
}

static struct open_object **slot_of(struct open_object_table *table, const struct hash *hash)
{
    return &table->slots[hash->digest[HASH_SIZE - 1] % table->slot_count];
}

static struct open_object *find_locked(struct open_object_table *table, const struct hash *hash)
{
    struct open_object *object = *slot_of(table, hash);
    if (!object || !hash_equal(&object->hash, hash))
        return NULL;
    object->users++;
    return object;
}

struct open_object *open_object_find(struct open_object_table *table, const struct hash *hash)
{
    (void)pthread_mutex_lock(&table->lock);
    struct open_object *object = find_locked(table, hash);
    (void)pthread_mutex_unlock(&table->lock);
    return object;
}

struct open_object *open_object_add(struct open_object_table *table, const struct hash *hash,
                                    int fd)
{
    struct open_object *made = malloc(sizeof *made);
    if (!made) {
        (void)close(fd);
        return NULL;
    }
    *made = (struct open_object){.hash = *hash, .fd = fd, .users = 2}; /* the caller, the slot */
    (void)pthread_mutex_lock(&table->lock);
    struct open_object *object = find_locked(table, hash);
    struct open_object *closing = made;
    if (!object) {
        struct open_object **slot = slot_of(table, hash);
        closing = *slot && drop_user(*slot) ? *slot : NULL;
        *slot = object = made;
    }
    (void)pthread_mutex_unlock(&table->lock);
    if (closing)
        object_close(closing);
    return object;
}

void open_object_close_unused(struct open_object_table *table)
{
    for (size_t index = 0; index < table->slot_count; index++) {
        (void)pthread_mutex_lock(&table->lock);
        struct open_object *object = table->slots[index];
        const bool unused = object && object->users == 1; /* the slot */
        if (unused)
            table->slots[index] = NULL;
        (void)pthread_mutex_unlock(&table->lock);
        if (unused)
            object_close(object);
    }
}

void open_object_release(struct open_object_table *table, struct open_object *object)
{
    (void)pthread_mutex_lock(&table->lock);
    bool last = drop_user(object);
    (void)pthread_mutex_unlock(&table->lock);
    if (last)
        object_close(object);
}
