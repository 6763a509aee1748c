/* The way to the objects that all requests of a downloader share: which server and which proxy are
 * current. Every function may be called by any thread. */
#ifndef CVMFSEXEC_CLIENT_ROUTE_H
#define CVMFSEXEC_CLIENT_ROUTE_H

#include <pthread.h>
#include <stdbool.h>

#include "payload/client/proxies.h"
#include "payload/client/servers.h"

struct route {
    pthread_mutex_t lock; /* over the two; never held while anything is waited for */
    struct servers servers;
    struct proxies proxies;
};

#define ROUTE_INIT                        \
    {                                     \
        .lock = PTHREAD_MUTEX_INITIALIZER \
    }

/* Fills a route that is ROUTE_INIT from the strings of a configuration. There may be no servers.
 * 0; -ENOENT: no usable proxy; -ENOMEM. */
int route_parse(const char *servers, int64_t servers_reset_after,
                const struct proxy_configuration *proxies, struct route *route,
                struct error *error);
void route_destroy(struct route *route);

/* The proxies in another form, of the same groups, to begin with; taken over, the old ones are
 * freed. Only before the first leg is taken. */
void route_replace_proxies(struct route *route, struct proxies *proxies);

/* Servers and fallback groups in another order, and the first of both current. As the next one:
 * only before anything but their order has been asked for. 0 or -ENOMEM. */
int route_order(struct route *route, const size_t *servers, const size_t *fallback);

/* The first `limit` servers are all there are (0: they stay). */
void route_cut_servers(struct route *route, size_t limit);

/* One server by one proxy. The strings live as long as the route. */
struct leg {
    size_t server;
    size_t proxy;
    const char *server_url;
    const char *proxy_url; /* NULL: direct */
};

/* The current proxy, with the current server or, for a request that has had `distance` others
 * before, that far behind `first`. The lists must not be empty. */
void route_begin(struct route *route, struct leg *leg);
void route_continue(struct route *route, size_t first, size_t distance, struct leg *leg);

/* A leg has failed; these make another server or proxy current, unless that has happened already,
 * and log it with the reason. */
void route_leave_server(struct route *route, const struct leg *leg, const char *reason);
void route_leave_proxy(struct route *route, const struct leg *leg, const char *reason);
/* The first proxy group again. */
void route_reset_proxies(struct route *route);

/* The server behind this one becomes current, whichever was. Logged with the reason. */
void route_skip_server(struct route *route, size_t server, const char *reason);

/* What there is, appended to `text`: the current server ("" when there is none), all of them from
 * the current one on with `;` between them, the current proxy, all of them a line each.
 * 0 or -ENOMEM. */
int route_server(struct route *route, struct text *text);
int route_server_list(struct route *route, struct text *text);
int route_proxy(struct route *route, struct text *text);
int route_proxy_list(struct route *route, struct text *text);

#endif
