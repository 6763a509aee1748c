/* A few connections for any number of threads. The one given back last is taken first, so that a
 * single reader uses a single socket. */
#ifndef CVMFSEXEC_CLIENT_CONNECTIONS_H
#define CVMFSEXEC_CLIENT_CONNECTIONS_H

#include <pthread.h>
#include <stddef.h>

#include "payload/base/error.h"
#include "payload/client/transfer.h"

#define CONNECTIONS_MAX 16 /* cvmfs-format.md 9.1 */

struct connections {
    const struct transfer_operations *operations; /* NULL until the first one is opened */
    struct transfer_options options;              /* its strings belong to the caller */
    pthread_mutex_t lock;
    pthread_cond_t returned;
    struct transfer_connection *idle[CONNECTIONS_MAX];
    size_t idle_count;
    size_t open_count;
    size_t most; /* 1...CONNECTIONS_MAX */
};

/* Begin with this, then fill in the options. */
#define CONNECTIONS_INIT                                                         \
    {                                                                            \
        .lock = PTHREAD_MUTEX_INITIALIZER, .returned = PTHREAD_COND_INITIALIZER, \
        .most = CONNECTIONS_MAX                                                  \
    }

/* When all have been given back. */
void connections_destroy(struct connections *connections);

/* Takes one, opens one, or waits until one is given back. 0; -ENOMEM; -EIO when the library of
 * transfers cannot be loaded. */
int connections_take(struct connections *connections, struct transfer_connection **connection,
                     struct error *error);
void connections_give(struct connections *connections, struct transfer_connection *connection);

#endif
