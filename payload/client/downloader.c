/* The making of a downloader, and what it tells about itself. */
#include "payload/client/downloader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "payload/base/scope.h"
#include "payload/client/descriptor_share.h"
#include "payload/client/geo_sort.h"
#include "payload/client/log.h"
#include "payload/client/version.h"

#define USER_AGENT \
    "cvmfs Fuse " OFFICIAL_VERSION /* what servers and proxies of sites expect to see */

static int copy_string(const char *string, char **copy)
{
    *copy = string ? strdup(string) : NULL;
    return string && !*copy ? -ENOMEM : 0;
}

/* Connections are opened much later, when the strings of the configuration may be gone. */
static int copy_strings(struct downloader *downloader)
{
    struct download_settings *settings = &downloader->settings;
    const char *uuid = getenv("CERNVM_UUID");
    auto_text struct text agent = TEXT_INIT;
    int result = text_printf(&agent, USER_AGENT "%s%s", uuid ? " " : "", uuid ? uuid : "");
    if (result == 0)
        result = copy_string(settings->ca_directory, &downloader->ca_directory);
    if (result == 0)
        result = copy_string(settings->ca_bundle, &downloader->ca_bundle);
    if (result == 0)
        result = copy_string(settings->geo_key, &downloader->geo_key);
    downloader->user_agent = text_steal(&agent);
    downloader->connections.options = (struct transfer_options){
        .user_agent = downloader->user_agent,
        .ca_directory = downloader->ca_directory,
        .ca_bundle = downloader->ca_bundle,
    };
    return result;
}

int downloader_create(const struct parameters *parameters, enum downloader_kind kind,
                      struct downloader **downloader, struct error *error)
{
    struct downloader *made = malloc(sizeof *made);
    if (!made)
        return error_system(error, -ENOMEM, "preparing downloads");
    *made = (struct downloader){
        .route = ROUTE_INIT,
        .connections = CONNECTIONS_INIT,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
    made->connections.most = descriptor_share(CONNECTIONS_MAX);
    download_settings_read(parameters, kind, &made->settings);
    int result = route_parse(made->settings.servers, made->settings.host_reset_after,
                             &made->settings.proxies, &made->route, error);
    if (result == 0 && (result = copy_strings(made)) < 0)
        (void)error_system(error, result, "preparing downloads");
    if (result < 0) {
        downloader_destroy(made);
        return result;
    }
    *downloader = made;
    return 0;
}

void downloader_destroy(struct downloader *downloader)
{
    if (!downloader)
        return;
    connections_destroy(&downloader->connections);
    route_destroy(&downloader->route);
    (void)pthread_cond_destroy(&downloader->changed);
    (void)pthread_mutex_destroy(&downloader->lock);
    free(downloader->user_agent);
    free(downloader->ca_directory);
    free(downloader->ca_bundle);
    free(downloader->geo_key);
    free(downloader);
}

void downloader_cancel(struct downloader *downloader)
{
    (void)pthread_mutex_lock(&downloader->lock);
    atomic_store(&downloader->cancelled, true);
    (void)pthread_mutex_unlock(&downloader->lock);
    (void)pthread_cond_broadcast(&downloader->changed);
}

static void resolve_proxies(struct downloader *downloader)
{
    struct proxies resolved;
    int result = proxies_resolve(&downloader->route.proxies, downloader->settings.ip_family,
                                 downloader->settings.addresses_per_proxy, &resolved);
    if (result == 0)
        route_replace_proxies(&downloader->route, &resolved);
    else /* only memory can be short; the names will do */
        log_message(LOG_ERR, "failed to resolve proxies (%s)", strerror(-result));
}

/* The names of proxies are needed for the list, and are gone when they have been resolved. */
static void prepare(struct downloader *downloader)
{
    struct route *route = &downloader->route;
    struct geo_list list = {.servers = NULL};
    bool use_geo = downloader->settings.use_geo && geo_is_useful(&route->servers, &route->proxies);
    int result = use_geo ? geo_list_build(&route->servers, &route->proxies, &list) : 0;
    if (result < 0)
        log_message(LOG_WARNING, "servers are not put in geographic order (%s)", strerror(-result));
    resolve_proxies(downloader);
    if (use_geo && result == 0)
        geo_sort(downloader, &list);
    geo_list_free(&list);
    route_cut_servers(route, downloader->settings.servers_max);
}

void downloader_prepare(struct downloader *downloader)
{
    if (atomic_load_explicit(&downloader->preparation, memory_order_acquire) == PREPARATION_DONE)
        return;
    (void)pthread_mutex_lock(&downloader->lock);
    while (atomic_load(&downloader->preparation) == PREPARATION_RUNNING)
        (void)pthread_cond_wait(&downloader->changed, &downloader->lock);
    bool is_first = atomic_load(&downloader->preparation) == PREPARATION_NONE;
    if (is_first)
        atomic_store(&downloader->preparation, PREPARATION_RUNNING);
    (void)pthread_mutex_unlock(&downloader->lock);
    if (!is_first)
        return;
    prepare(downloader);
    (void)pthread_mutex_lock(&downloader->lock);
    atomic_store(&downloader->preparation, PREPARATION_DONE);
    (void)pthread_mutex_unlock(&downloader->lock);
    (void)pthread_cond_broadcast(&downloader->changed);
}

size_t downloader_server_count(const struct downloader *downloader)
{
    return downloader->route.servers.count;
}

void downloader_skip_server(struct downloader *downloader, size_t server, const char *reason)
{
    route_skip_server(&downloader->route, server, reason);
}

int downloader_host(struct downloader *downloader, struct text *text)
{
    return route_server(&downloader->route, text);
}

int downloader_host_list(struct downloader *downloader, struct text *text)
{
    return route_server_list(&downloader->route, text);
}

int downloader_proxy(struct downloader *downloader, struct text *text)
{
    return route_proxy(&downloader->route, text);
}

int downloader_proxy_list(struct downloader *downloader, struct text *text)
{
    return route_proxy_list(&downloader->route, text);
}

void downloader_counters(struct downloader *downloader, struct downloader_counters *counters)
{
    *counters = (struct downloader_counters){
        .requests = atomic_load(&downloader->requests),
        .received_bytes = atomic_load(&downloader->received),
        .nanoseconds = atomic_load(&downloader->nanoseconds),
        .timeout = downloader->settings.timeout,
        .timeout_direct = downloader->settings.timeout_direct,
    };
}
