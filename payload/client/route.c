/* Servers and proxies under one lock. */
#include "payload/client/route.h"

#include <stdlib.h>
#include <syslog.h>
#include <time.h>

#include "payload/client/log.h"

static int64_t now_seconds(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* never fails for this clock */
    return now.tv_sec;
}

int route_parse(const char *servers, int64_t servers_reset_after,
                const struct proxy_configuration *proxies, struct route *route, struct error *error)
{
    int result = proxies_parse(proxies, &route->proxies, error);
    if (result < 0)
        return result;
    proxies_reset(&route->proxies, arc4random());
    result = servers_parse(servers, servers_reset_after, &route->servers);
    return result < 0 ? error_system(error, result, "reading the servers") : 0;
}

void route_destroy(struct route *route)
{
    servers_free(&route->servers);
    proxies_free(&route->proxies);
    (void)pthread_mutex_destroy(&route->lock); /* nobody holds it any more */
}

void route_replace_proxies(struct route *route, struct proxies *proxies)
{
    (void)pthread_mutex_lock(&route->lock);
    struct proxies old = route->proxies;
    route->proxies = *proxies;
    proxies_reset(&route->proxies, arc4random());
    (void)pthread_mutex_unlock(&route->lock);
    *proxies = (struct proxies){.items = NULL};
    proxies_free(&old);
}

int route_order(struct route *route, const size_t *servers, const size_t *fallback)
{
    (void)pthread_mutex_lock(&route->lock);
    int result = servers_order(&route->servers, servers);
    if (result == 0)
        result = proxies_order_fallback(&route->proxies, fallback);
    proxies_reset(&route->proxies, arc4random());
    (void)pthread_mutex_unlock(&route->lock);
    return result;
}

void route_cut_servers(struct route *route, size_t limit)
{
    (void)pthread_mutex_lock(&route->lock);
    servers_cut(&route->servers, limit);
    (void)pthread_mutex_unlock(&route->lock);
}

/* With the lock held. */
static void describe(const struct route *route, size_t server, struct leg *leg)
{
    const struct proxy *proxy = &route->proxies.items[route->proxies.current];
    *leg = (struct leg){
        .server = server,
        .proxy = route->proxies.current,
        .server_url = route->servers.urls[server],
        .proxy_url = proxy_is_direct(proxy) ? NULL : proxy->url,
    };
}

void route_begin(struct route *route, struct leg *leg)
{
    int64_t now = now_seconds();
    (void)pthread_mutex_lock(&route->lock);
    servers_tick(&route->servers, now);
    if (proxies_is_reset_due(&route->proxies, now))
        proxies_reset(&route->proxies, arc4random());
    describe(route, route->servers.current, leg);
    (void)pthread_mutex_unlock(&route->lock);
}

void route_continue(struct route *route, size_t first, size_t distance, struct leg *leg)
{
    (void)pthread_mutex_lock(&route->lock);
    describe(route, (first + distance) % route->servers.count, leg);
    (void)pthread_mutex_unlock(&route->lock);
}

void route_leave_server(struct route *route, const struct leg *leg, const char *reason)
{
    int64_t now = now_seconds();
    (void)pthread_mutex_lock(&route->lock);
    bool changed = servers_leave(&route->servers, leg->server, now);
    const char *next = route->servers.urls[route->servers.current];
    (void)pthread_mutex_unlock(&route->lock);
    if (changed)
        log_message(LOG_WARNING, "switching host from %s to %s (%s)", leg->server_url, next,
                    reason);
}

void route_leave_proxy(struct route *route, const struct leg *leg, const char *reason)
{
    int64_t now = now_seconds();
    (void)pthread_mutex_lock(&route->lock);
    const char *failed = route->proxies.items[leg->proxy].url;
    bool changed = proxies_leave(&route->proxies, leg->proxy, now, arc4random());
    const char *next = route->proxies.items[route->proxies.current].url;
    (void)pthread_mutex_unlock(&route->lock);
    if (changed)
        log_message(LOG_WARNING, "switching proxy from %s to %s (%s)", failed, next, reason);
}

void route_reset_proxies(struct route *route)
{
    (void)pthread_mutex_lock(&route->lock);
    proxies_reset(&route->proxies, arc4random());
    (void)pthread_mutex_unlock(&route->lock);
}

void route_skip_server(struct route *route, size_t server, const char *reason)
{
    int64_t now = now_seconds();
    (void)pthread_mutex_lock(&route->lock);
    servers_skip(&route->servers, server, now);
    const char *next = route->servers.urls[route->servers.current];
    (void)pthread_mutex_unlock(&route->lock);
    log_message(LOG_WARNING, "switching host from %s to %s (%s)", route->servers.urls[server], next,
                reason);
}

int route_server(struct route *route, struct text *text)
{
    (void)pthread_mutex_lock(&route->lock);
    const struct servers *servers = &route->servers;
    int result = servers->count ? text_append_string(text, servers->urls[servers->current]) : 0;
    (void)pthread_mutex_unlock(&route->lock);
    return result;
}

int route_server_list(struct route *route, struct text *text)
{
    int result = 0;
    (void)pthread_mutex_lock(&route->lock);
    const struct servers *servers = &route->servers;
    for (size_t i = 0; i < servers->count && result == 0; i++)
        result = text_printf(text, "%s%s", i ? ";" : "",
                             servers->urls[(servers->current + i) % servers->count]);
    (void)pthread_mutex_unlock(&route->lock);
    return result;
}

int route_proxy(struct route *route, struct text *text)
{
    (void)pthread_mutex_lock(&route->lock);
    int result = text_append_string(text, route->proxies.items[route->proxies.current].url);
    (void)pthread_mutex_unlock(&route->lock);
    return result;
}

int route_proxy_list(struct route *route, struct text *text)
{
    (void)pthread_mutex_lock(&route->lock);
    int result = proxies_list(&route->proxies, text);
    (void)pthread_mutex_unlock(&route->lock);
    return result;
}
