/* Putting the layers together in their order, and moving them on to the next revision. */
#include "payload/client/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/client/crypto.h"
#include "payload/client/log.h"

#define OFFLINE_RETRY 180      /* seconds between looks for a server (cvmfs-format.md 10.2) */
#define DEFAULT_QUOTA 1024     /* MiB (cvmfs-format.md 8.4) */
#define FIXED_VALIDITY 86400.0 /* seconds; a fixed root never changes */

const char *client_exit_text(int status)
{
    switch (status) {
    case EXIT_OPTIONS:
        return "illegal options";
    case EXIT_PERMISSION:
        return "permission denied";
    case EXIT_MOUNT:
        return "failed to mount";
    case EXIT_LOOP:
        return "cannot run FUSE event loop";
    case EXIT_CACHE:
        return "cache directory/plugin problem";
    case EXIT_SIGNATURE:
        return "signature verification failure";
    case EXIT_CATALOG:
        return "file catalog failure";
    case EXIT_HISTORY:
        return "history init failure";
    case EXIT_PROXY:
        return "proxy auto-discovery failed";
    case EXIT_BLACKLISTED:
        return "revision blacklisted";
    default:
        return "unknown error";
    }
}

int64_t client_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* cannot fail for this clock */
    return now.tv_sec;
}

/* cvmfs-format.md 10.9, 10.10: where the cache is and how large it may grow. */
static int open_cache(struct client *client, struct error *error)
{
    const struct parameters *parameters = client->parameters;
    const char *verbatim = parameters_get(parameters, "CVMFS_CACHE_DIR");
    const char *base = parameters_get(parameters, "CVMFS_CACHE_BASE");
    const char *alien = parameters_get(parameters, "CVMFS_ALIEN_CACHE");
    bool shared = parameters_is_on(parameters, "CVMFS_SHARED_CACHE", false);
    long long quota = parameters_number(parameters, "CVMFS_QUOTA_LIMIT", DEFAULT_QUOTA);
    if (verbatim && base)
        return error_set(error, -EINVAL,
                         "Failure: 'CVMFS_CACHE_DIR' and 'CVMFS_CACHE_BASE' are "
                         "mutually exclusive");
    if (alien && *alien && shared)
        return error_set(error, -EINVAL,
                         "Failure: shared local disk cache and alien cache mutually exclusive. "
                         "Please turn off shared local disk cache.");
    if (alien && *alien && quota > 0)
        return error_set(error, -EINVAL,
                         "Failure: quota management and alien cache mutually exclusive. "
                         "Please turn off quota limit.");
    auto_text struct text directory = TEXT_INIT;
    int result;
    if (alien && *alien)
        result = text_append_string(&directory, alien);
    else if (verbatim)
        result = text_append_string(&directory, verbatim);
    else
        result = text_printf(&directory, "%s/%s", base ? base : "/var/lib/cvmfs",
                             shared ? "shared" : client->fqrn);
    if (result < 0)
        return error_system(error, result, "opening the cache");
    const struct cache_options options = {
        .directory = directory.bytes,
        .limit = quota > 0 && quota <= INT64_MAX >> 20 ? quota << 20 : 0,
        .alien = alien && *alien,
    };
    result = cache_create(&options, &client->cache, error);
    return result == -EINVAL ? -EIO : result; /* -EINVAL is kept for options that contradict */
}

static void read_settings(struct client *client)
{
    const struct parameters *parameters = client->parameters;
    client->kernel_timeout = parameters_number(parameters, "CVMFS_KCACHE_TIMEOUT", -1);
    if (parameters_get(parameters, "CVMFS_KCACHE_TIMEOUT") && client->kernel_timeout < 0)
        client->kernel_timeout = 0;
    client->most_ttl = 60 * parameters_number(parameters, "CVMFS_MAX_TTL", 0);

    /* cvmfs-format.md 8.4, the older parameter first. */
    client->visibility = XATTRS_ROOT_ONLY;
    if (parameters_get(parameters, "CVMFS_HIDE_MAGIC_XATTRS"))
        client->visibility = parameters_is_on(parameters, "CVMFS_HIDE_MAGIC_XATTRS", false)
                                 ? XATTRS_NEVER
                                 : XATTRS_ALWAYS;
    const char *visibility = parameters_get(parameters, "CVMFS_MAGIC_XATTRS_VISIBILITY");
    if (visibility && strcasecmp(visibility, "always") == 0)
        client->visibility = XATTRS_ALWAYS;
    else if (visibility && strcasecmp(visibility, "never") == 0)
        client->visibility = XATTRS_NEVER;
    else if (visibility && strcasecmp(visibility, "rootonly") == 0)
        client->visibility = XATTRS_ROOT_ONLY;
}

/* Sets when to look for a newer revision next; returns the seconds until then. */
static int64_t set_expiry(struct client *client)
{
    if (client->root.fixed) {
        atomic_store(&client->expires, INT64_MAX);
        return INT64_MAX;
    }
    struct tree_facts facts;
    tree_facts(client->tree, &facts);
    int64_t ttl = facts.ttl;
    if (client->most_ttl > 0 && ttl > client->most_ttl)
        ttl = client->most_ttl;
    if (client->root.offline && ttl > OFFLINE_RETRY)
        ttl = OFFLINE_RETRY;
    if (client->root.fresh) { /* part of its time has gone before we came */
        int64_t gone = (int64_t)time(NULL) - client->root.checked;
        ttl -= gone > 0 && gone < ttl ? gone : 0;
    }
    if (ttl < 1)
        ttl = 1;
    atomic_store(&client->expires, client_now() + ttl);
    return ttl;
}

/* The steps of client_open; whatever they leave behind on failure, client_close takes away. */
static int open_layers(struct client *client, int *exit_status, struct error *error)
{
    *exit_status = EXIT_OPTIONS;
    int result = ownership_create(client->parameters, &client->ownership, error);
    if (result < 0)
        return result;
    client->protected_xattrs = parameters_split(
        parameters_get(client->parameters, "CVMFS_XATTR_PROTECTED_XATTRS"), ',', NULL);
    client->privileged_gids = parameters_split(
        parameters_get(client->parameters, "CVMFS_XATTR_PRIVILEGED_GIDS"), ',', NULL);
    if (!client->protected_xattrs || !client->privileged_gids)
        return error_system(error, -ENOMEM, "reading the configuration");
    result = open_cache(client, error);
    if (result < 0) {
        *exit_status = result == -EINVAL ? EXIT_OPTIONS : EXIT_CACHE;
        return result;
    }
    *exit_status = EXIT_PROXY;
    result = downloader_create(client->parameters, DOWNLOADER_REGULAR, &client->downloader, error);
    if (result < 0)
        return result;
    const char *external = parameters_get(client->parameters, "CVMFS_EXTERNAL_URL");
    if (external && *external)
        result =
            downloader_create(client->parameters, DOWNLOADER_EXTERNAL, &client->external, error);
    if (result < 0)
        return result;
    *exit_status = EXIT_UNKNOWN;
    result = fetcher_create(client->cache, client->downloader, client->external, &client->fetcher);
    if (result < 0)
        return error_system(error, result, "starting");
    result = repository_open(client->fqrn, client->parameters, client->cache, client->downloader,
                             client->fetcher, &client->repository, exit_status, error);
    if (result == 0)
        result = repository_select(client->repository, &client->root, exit_status, error);
    if (result < 0)
        return result;
    *exit_status = EXIT_CATALOG;
    result =
        tree_create(client->fetcher, client->root.fd, &client->root.catalog, &client->tree, error);
    if (result == 0)
        result = content_store_create(client->tree, client->fetcher, &client->content);
    return result;
}

int client_open(const char *fqrn, const struct parameters *parameters, struct client *client,
                int *exit_status, struct error *error)
{
    *client = (struct client){
        .fqrn = fqrn,
        .parameters = parameters,
        .root = {.fd = -1},
        .started = client_now(),
    };
    (void)pthread_mutex_init(&client->root_lock, NULL);
    crypto_prepare();
    read_settings(client);
    int result = open_layers(client, exit_status, error);
    if (client->root.fd >= 0)
        (void)close(client->root.fd); /* the tree has its own */
    client->root.fd = -1;
    if (result < 0) {
        client_close(client);
        return result;
    }
    (void)set_expiry(client);
    *exit_status = EXIT_MOUNTED;
    return 0;
}

void client_close(struct client *client)
{
    content_store_destroy(client->content);
    tree_destroy(client->tree);
    repository_close(client->repository);
    fetcher_destroy(client->fetcher);
    downloader_destroy(client->external);
    downloader_destroy(client->downloader);
    cache_destroy(client->cache);
    ownership_free(&client->ownership);
    free(client->protected_xattrs);
    free(client->privileged_gids);
    (void)pthread_mutex_destroy(&client->root_lock);
}

void client_stop_waiting(struct client *client)
{
    downloader_cancel(client->downloader);
    if (client->external)
        downloader_cancel(client->external);
}

double client_validity(const struct client *client)
{
    if (tree_is_restricted(client->tree))
        return 0.0; /* what the kernel has cached it shows to everybody */
    int64_t expires = atomic_load(&client->expires);
    double validity = FIXED_VALIDITY;
    if (expires != INT64_MAX) {
        int64_t left = expires - client_now();
        validity = left > 1 ? (double)left : 1.0; /* while a new revision is looked for */
    }
    if (client->kernel_timeout >= 0 && validity > (double)client->kernel_timeout)
        validity = (double)client->kernel_timeout;
    return validity;
}

int64_t client_refresh(struct client *client)
{
    struct tree_facts facts;
    tree_facts(client->tree, &facts);
    struct repository_root root = {.fd = -1};
    struct error error = ERROR_INIT;
    int result = repository_check(client->repository, &client->root, facts.revision, &root, &error);
    auto_fd int fd = root.fd;
    root.fd = -1;
    if (result == -EKEYREVOKED)
        return result;
    if (result == 0 && !hash_equal(&root.catalog, &client->root.catalog)) {
        result = tree_switch(client->tree, fd, &root.catalog, &error);
        if (result == 0) {
            tree_facts(client->tree, &facts);
            log_message(LOG_NOTICE, "switched to catalog revision %llu",
                        (unsigned long long)facts.revision);
        }
    }
    (void)pthread_mutex_lock(&client->root_lock);
    if (result == 0) {
        client->root = root;
    } else {
        log_message(LOG_WARNING, "staying with catalog revision %llu: %s",
                    (unsigned long long)facts.revision, error.message);
        client->root.offline = true;
        client->root.fresh = false;
    }
    (void)pthread_mutex_unlock(&client->root_lock);
    return set_expiry(client);
}
