/* The pool, last in first out. */
#include "payload/client/connections.h"

#include <stdbool.h>

#include "payload/client/footprint.h"

void connections_destroy(struct connections *connections)
{
    while (connections->idle_count > 0)
        connections->operations->close(connections->idle[--connections->idle_count]);
    (void)pthread_cond_destroy(&connections->returned);
    (void)pthread_mutex_destroy(&connections->lock);
}

/* A place among the open ones, with a connection that was idle or NULL for one still to open. */
static struct transfer_connection *take_place(struct connections *connections)
{
    struct transfer_connection *taken = NULL;
    (void)pthread_mutex_lock(&connections->lock);
    while (connections->idle_count == 0 && connections->open_count == connections->most)
        (void)pthread_cond_wait(&connections->returned, &connections->lock);
    if (connections->idle_count > 0)
        taken = connections->idle[--connections->idle_count];
    else
        connections->open_count++;
    (void)pthread_mutex_unlock(&connections->lock);
    return taken;
}

static int open_connection(struct connections *connections, struct transfer_connection **connection,
                           struct error *error)
{
    const struct transfer_operations *operations;
    int result = transfer_load(&operations, error);
    if (result == 0) {
        result = operations->open(&connections->options, connection);
        if (result < 0)
            (void)error_system(error, result, "opening a connection");
    }
    (void)pthread_mutex_lock(&connections->lock);
    bool is_first = result == 0 && !connections->operations;
    if (result < 0)
        connections->open_count--;
    if (is_first) /* from then on read without the lock, by who has a connection */
        connections->operations = operations;
    (void)pthread_mutex_unlock(&connections->lock);
    if (is_first)
        footprint_trim();
    if (result < 0)
        (void)pthread_cond_signal(&connections->returned);
    return result;
}

int connections_take(struct connections *connections, struct transfer_connection **connection,
                     struct error *error)
{
    *connection = take_place(connections);
    return *connection ? 0 : open_connection(connections, connection, error);
}

void connections_give(struct connections *connections, struct transfer_connection *connection)
{
    (void)pthread_mutex_lock(&connections->lock);
    connections->idle[connections->idle_count++] = connection;
    (void)pthread_mutex_unlock(&connections->lock);
    (void)pthread_cond_signal(&connections->returned);
}
