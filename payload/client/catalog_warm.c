/* Which open catalogs may keep pages in memory: the few that were used last. A client may have
 * sixty open, and their page caches together would be most of its memory. */
#include "payload/client/catalog_internal.h"

/* Times the page cache of one (catalog.c) this is what all of them hold. */
#define WARM_LIMIT 6

static pthread_mutex_t warm_lock = PTHREAD_MUTEX_INITIALIZER;
static struct catalog *warm_catalogs[WARM_LIMIT]; /* NULL: free */
static uint64_t clock_ticks;                      /* atomic */

/* The free place, or that of the catalog unused for the longest time. */
static struct catalog **choose_place(void)
{
    struct catalog **oldest = &warm_catalogs[0];
    for (size_t index = 0; index < WARM_LIMIT; index++) {
        struct catalog **place = &warm_catalogs[index];
        if (!*place)
            return place;
        if (__atomic_load_n(&(*place)->last_used, __ATOMIC_RELAXED) <
            __atomic_load_n(&(*oldest)->last_used, __ATOMIC_RELAXED))
            oldest = place;
    }
    return oldest;
}

void catalog_warm(struct catalog *catalog)
{
    uint64_t now = __atomic_add_fetch(&clock_ticks, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&catalog->last_used, now, __ATOMIC_RELAXED);
    if (catalog->warm)
        return;
    (void)pthread_mutex_lock(&warm_lock);
    struct catalog **place = choose_place();
    struct catalog *victim = *place;
    /* One that another thread is just using stays warm, and this one does without a place: waiting
     * for it here, with a lock held that it may want, could wait forever. */
    if (victim && pthread_mutex_trylock(&victim->lock) != 0)
        victim = NULL;
    else
        *place = catalog;
    catalog->warm = *place == catalog;
    if (victim) {
        victim->warm = false;
        (void)sqlite3_db_release_memory(victim->database); /* always SQLITE_OK */
        (void)pthread_mutex_unlock(&victim->lock);
    }
    (void)pthread_mutex_unlock(&warm_lock);
}

void catalog_forget_warmth(struct catalog *catalog)
{
    (void)pthread_mutex_lock(&warm_lock);
    for (size_t index = 0; index < WARM_LIMIT; index++)
        if (warm_catalogs[index] == catalog)
            warm_catalogs[index] = NULL;
    (void)pthread_mutex_unlock(&warm_lock);
}
