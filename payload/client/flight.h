/* Single flight: of several threads that want one object, the first fetches it and the others wait
 * for how that ends. */
#ifndef CVMFSEXEC_CLIENT_FLIGHT_H
#define CVMFSEXEC_CLIENT_FLIGHT_H

#include <pthread.h>
#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/client/hash.h"

/* What is wanted, and by which address: where one address fails another one may do. */
struct flight_key {
    struct hash hash;
    char suffix;
    bool external;
};

struct flight;

struct flight_table {
    pthread_mutex_t lock;
    struct flight *flights;
};

#define FLIGHT_TABLE_INIT                                  \
    {                                                      \
        .lock = PTHREAD_MUTEX_INITIALIZER, .flights = NULL \
    }

/* 1: the caller is the first, and ends `*flight` with flight_land. 0: somebody else was, and has
 * succeeded meanwhile. Negative: somebody else was, and has failed so. -ENOMEM. */
int flight_board(struct flight_table *table, const struct flight_key *key, struct flight **flight,
                 struct error *error);

/* Wakes those who wait; `result` is 0 or a negative errno with its words in `error`. */
void flight_land(struct flight_table *table, struct flight *flight, int result,
                 const struct error *error);

#endif
