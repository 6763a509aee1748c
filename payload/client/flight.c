/* A list is enough: it is as long as there are threads that fetch. */
#include "payload/client/flight.h"

#include <errno.h>
#include <stdlib.h>

struct flight {
    struct flight_key key;
    struct flight *next;
    unsigned users; /* who leads it and who waits */
    bool landed;
    int result;
    struct error error;
    pthread_cond_t landing;
};

static bool key_equal(const struct flight_key *one, const struct flight_key *other)
{
    return hash_equal(&one->hash, &other->hash) && one->suffix == other->suffix &&
           one->external == other->external;
}

/* With the lock held, as the next two. */
static struct flight *find(const struct flight_table *table, const struct flight_key *key)
{
    struct flight *flight = table->flights;
    while (flight && !key_equal(&flight->key, key))
        flight = flight->next;
    return flight;
}

static void leave(struct flight *flight)
{
    if (--flight->users > 0)
        return;
    (void)pthread_cond_destroy(&flight->landing);
    free(flight);
}

static int wait_for(struct flight_table *table, struct flight *flight, struct error *error)
{
    flight->users++;
    while (!flight->landed)
        (void)pthread_cond_wait(&flight->landing, &table->lock);
    int result = flight->result;
    if (result < 0 && error)
        *error = flight->error;
    leave(flight);
    return result;
}

static int add(struct flight_table *table, const struct flight_key *key, struct flight **flight)
{
    struct flight *made = malloc(sizeof *made);
    if (!made)
        return -ENOMEM;
    made->key = *key;
    made->next = table->flights;
    made->users = 1;
    made->landed = false;
    made->landing = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    table->flights = made;
    *flight = made;
    return 1;
}

int flight_board(struct flight_table *table, const struct flight_key *key, struct flight **flight,
                 struct error *error)
{
    (void)pthread_mutex_lock(&table->lock);
    struct flight *present = find(table, key);
    int result = present ? wait_for(table, present, error) : add(table, key, flight);
    (void)pthread_mutex_unlock(&table->lock);
    return result == -ENOMEM && !present ? error_system(error, result, "fetching an object")
                                         : result;
}

void flight_land(struct flight_table *table, struct flight *flight, int result,
                 const struct error *error)
{
    (void)pthread_mutex_lock(&table->lock);
    struct flight **link = &table->flights;
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    flight->landed = true;
    flight->result = result;
    if (result < 0)
        flight->error = *error;
    (void)pthread_cond_broadcast(&flight->landing);
    leave(flight);
    (void)pthread_mutex_unlock(&table->lock);
}
