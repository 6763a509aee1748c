#include "payload/client/exposure.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "payload/client/inode_set.h"

#define PLACES 32 /* directories that are hidden, or were until now */

/* How long a reader waits, in nanoseconds: for a directory that is about to be listed (unless his
 * was the first question for it: then the lister waits), and for what is being stored. */
#define LISTING_PATIENCE 1000000
#define FILLING_PATIENCE 10000000

enum state {
    FREE,
    WHOLE,    /* hidden, and to be listed */
    FILLING,  /* hidden and listed: contents may be stored */
    ENTRIES,  /* entries are hidden */
    REVEALED, /* was hidden as a whole, and no reader has come yet */
};

struct place {
    uint64_t directory;
    enum state state;
    uint64_t after; /* ENTRIES: the cookie behind which they are hidden */
    bool is_asked;  /* WHOLE: the question of the lister has come, or that of a reader before him */
};

struct exposure {
    void (*on_wait)(void);
    pthread_mutex_t lock;    /* over the following */
    pthread_cond_t stored;   /* `storing` has become 0 */
    pthread_cond_t revealed; /* a place has another state */
    struct inode_set exposed;
    struct inode_set sealed; /* files listed in directories that were hidden as a whole: whoever
                                gets at the directory gets at them */
    struct place places[PLACES];
    size_t next_place;
    uint64_t storing; /* the file that contents are stored into, and its directory; 0: none */
    uint64_t storing_below;
    bool closed;
};

int exposure_create(void (*on_wait)(void), struct exposure **exposure)
{
    struct exposure *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->on_wait = on_wait;
    (void)pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&made->stored, NULL);
    (void)pthread_cond_init(&made->revealed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    *exposure = made;
    return 0;
}

void exposure_destroy(struct exposure *exposure)
{
    if (!exposure)
        return;
    inode_set_free(&exposure->exposed);
    inode_set_free(&exposure->sealed);
    (void)pthread_mutex_destroy(&exposure->lock);
    (void)pthread_cond_destroy(&exposure->stored);
    (void)pthread_cond_destroy(&exposure->revealed);
    free(exposure);
}

/* Under the lock, as are the functions up to exposure_look_up. */
static struct place *find_place(struct exposure *exposure, uint64_t directory)
{
    for (size_t index = 0; index < PLACES; index++)
        if (exposure->places[index].directory == directory && exposure->places[index].state != FREE)
            return &exposure->places[index];
    return NULL;
}

static bool has_state(struct exposure *exposure, uint64_t directory, enum state state)
{
    const struct place *place = find_place(exposure, directory);
    return place && place->state == state;
}

/* What cannot be remembered ends all storing, and nothing has to be remembered any more. */
static void add(struct exposure *exposure, struct inode_set *set, uint64_t inode)
{
    if (exposure->closed || inode_set_add(set, inode) == 0)
        return;
    exposure->closed = true;
    inode_set_free(&exposure->exposed);
    inode_set_free(&exposure->sealed);
}

/* Remembered first, so that no store begins while it is waited for the one under way. */
static void expose(struct exposure *exposure, uint64_t inode)
{
    add(exposure, &exposure->exposed, inode);
    while (exposure->storing && (exposure->storing == inode || exposure->storing_below == inode))
        (void)pthread_cond_wait(&exposure->stored, &exposure->lock);
}

/* Until a directory has that state no more, but at most for `patience`, in nanoseconds. */
static void wait_while(struct exposure *exposure, uint64_t directory, enum state state,
                       int64_t patience)
{
    if (!has_state(exposure, directory, state))
        return;
    (void)pthread_mutex_unlock(&exposure->lock);
    exposure->on_wait();
    struct timespec deadline;
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += patience;
    deadline.tv_sec += deadline.tv_nsec / 1000000000;
    deadline.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&exposure->lock);
    while (has_state(exposure, directory, state) && !exposure->closed &&
           pthread_cond_timedwait(&exposure->revealed, &exposure->lock, &deadline) == 0)
        continue;
}

static enum exposure_answer look_up(struct exposure *exposure, uint64_t inode)
{
    struct place *place = find_place(exposure, inode);
    if (place && place->state == WHOLE && !place->is_asked) {
        place->is_asked = true;
        return EXPOSURE_HIDDEN;
    }
    wait_while(exposure, inode, WHOLE, LISTING_PATIENCE);
    wait_while(exposure, inode, FILLING, FILLING_PATIENCE);
    place = find_place(exposure, inode);
    const bool was_hidden = place && place->state != ENTRIES;
    if (was_hidden)
        place->state = FREE;
    expose(exposure, inode);
    return was_hidden ? EXPOSURE_NOTICED : EXPOSURE_PLAIN;
}

enum exposure_answer exposure_look_up(struct exposure *exposure, uint64_t inode)
{
    (void)pthread_mutex_lock(&exposure->lock);
    const enum exposure_answer answer = look_up(exposure, inode);
    (void)pthread_mutex_unlock(&exposure->lock);
    return answer;
}

bool exposure_list(struct exposure *exposure, uint64_t directory, uint64_t cookie, uint64_t inode)
{
    (void)pthread_mutex_lock(&exposure->lock);
    const struct place *own = find_place(exposure, inode);
    const struct place *above = find_place(exposure, directory);
    const bool hidden = (own && own->state != ENTRIES) ||
                        (above && above->state == ENTRIES && cookie > above->after);
    if (above && (above->state == WHOLE || above->state == FILLING))
        add(exposure, &exposure->sealed, inode);
    else if (!hidden)
        expose(exposure, inode);
    (void)pthread_mutex_unlock(&exposure->lock);
    return hidden;
}

/* Under the lock: one that is hidden keeps its place, one that was revealed gives it up at last. */
static struct place *take_place(struct exposure *exposure, uint64_t directory)
{
    struct place *place = find_place(exposure, directory);
    for (size_t tried = 0; !place && tried < PLACES; tried++) {
        struct place *candidate = &exposure->places[exposure->next_place++ % PLACES];
        if (candidate->state == FREE || candidate->state == REVEALED)
            place = candidate;
    }
    return place;
}

bool exposure_hide_directory(struct exposure *exposure, uint64_t directory)
{
    (void)pthread_mutex_lock(&exposure->lock);
    struct place *place =
        inode_set_has(&exposure->exposed, directory) || inode_set_has(&exposure->sealed, directory)
            ? NULL
            : take_place(exposure, directory);
    if (place)
        *place = (struct place){.directory = directory, .state = WHOLE};
    (void)pthread_mutex_unlock(&exposure->lock);
    return place != NULL;
}

bool exposure_hide_entries(struct exposure *exposure, uint64_t directory, uint64_t after)
{
    (void)pthread_mutex_lock(&exposure->lock);
    struct place *place = take_place(exposure, directory);
    if (place)
        *place = (struct place){.directory = directory, .state = ENTRIES, .after = after};
    (void)pthread_cond_broadcast(&exposure->revealed);
    (void)pthread_mutex_unlock(&exposure->lock);
    return place != NULL;
}

void exposure_reveal(struct exposure *exposure, uint64_t directory)
{
    (void)pthread_mutex_lock(&exposure->lock);
    struct place *place = find_place(exposure, directory);
    if (place)
        place->state = place->state == FILLING ? REVEALED : FREE;
    (void)pthread_cond_broadcast(&exposure->revealed);
    (void)pthread_mutex_unlock(&exposure->lock);
}

bool exposure_fill(struct exposure *exposure, uint64_t directory, bool listed)
{
    (void)pthread_mutex_lock(&exposure->lock);
    struct place *place = find_place(exposure, directory);
    /* Only one question has been answered, since a second answer would have ended this state: that
     * of the lister. */
    const bool unseen = listed && place && place->state == WHOLE;
    if (unseen) {
        place->state = FILLING;
    } else {
        if (place)
            place->state = FREE;
        expose(exposure, directory);
    }
    (void)pthread_cond_broadcast(&exposure->revealed);
    (void)pthread_mutex_unlock(&exposure->lock);
    return unseen;
}

bool exposure_begin_store(struct exposure *exposure, uint64_t directory, uint64_t inode)
{
    (void)pthread_mutex_lock(&exposure->lock);
    const struct place *place = find_place(exposure, directory);
    const bool unseen =
        place && (place->state == FILLING ||
                  (place->state == ENTRIES && !inode_set_has(&exposure->sealed, inode)));
    const bool may = unseen && !exposure->closed && !inode_set_has(&exposure->exposed, inode);
    if (may) {
        exposure->storing = inode;
        exposure->storing_below = directory;
    }
    (void)pthread_mutex_unlock(&exposure->lock);
    return may;
}

void exposure_end_store(struct exposure *exposure)
{
    (void)pthread_mutex_lock(&exposure->lock);
    exposure->storing = exposure->storing_below = 0;
    (void)pthread_cond_broadcast(&exposure->stored);
    (void)pthread_mutex_unlock(&exposure->lock);
}

void exposure_close(struct exposure *exposure)
{
    (void)pthread_mutex_lock(&exposure->lock);
    exposure->closed = true;
    (void)pthread_cond_broadcast(&exposure->revealed);
    while (exposure->storing)
        (void)pthread_cond_wait(&exposure->stored, &exposure->lock);
    (void)pthread_mutex_unlock(&exposure->lock);
}

bool exposure_is_closed(struct exposure *exposure)
{
    (void)pthread_mutex_lock(&exposure->lock);
    const bool closed = exposure->closed;
    (void)pthread_mutex_unlock(&exposure->lock);
    return closed;
}
