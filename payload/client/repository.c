/* Choosing the root catalog, at mount and when its time has passed. */
#include "payload/client/repository.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "payload/base/scope.h"
#include "payload/client/blacklist.h"
#include "payload/client/breadcrumb.h"
#include "payload/client/catalog.h"
#include "payload/client/log.h"
#include "payload/client/manifest.h"
#include "payload/client/manifest_fetch.h"
#include "payload/client/master_keys.h"
#include "payload/client/snapshot.h"

/* The client's exit statuses (cvmfs-format.md 10.8) and the words before the cause. */
enum { EXIT_SIGNATURE = 15, EXIT_CATALOG = 16, EXIT_HISTORY = 22, EXIT_REVISION = 25 };
#define WORDS_SIGNATURE "failed to load public key(s)"
#define WORDS_OFFLINE "warning, could not apply updated catalog revision, entering offline mode"
#define WORDS_CATALOG "Failed to initialize root file catalog"

struct repository {
    const char *fqrn;
    const struct parameters *parameters;
    struct cache *cache;
    struct downloader *downloader;
    struct fetcher *fetcher;
    struct master_keys keys;
    struct blacklist blacklist;
};

/* What is asked of an opened root catalog. */
struct root_facts {
    uint64_t revision;
    int64_t ttl; /* seconds, capped by CVMFS_MAX_TTL */
};

static int load_blacklist(const struct repository *repository, struct blacklist *blacklist)
{
    const char *path = parameters_get(repository->parameters, "CVMFS_BLACKLIST");
    int result = blacklist_load(blacklist, path ? path : "/etc/cvmfs/blacklist");
    const char *config = parameters_get(repository->parameters, "CVMFS_CONFIG_REPOSITORY");
    /* A look into what this very process is about to serve would wait for ever. */
    if (result < 0 || !config || !*config || strcmp(config, repository->fqrn) == 0)
        return result;
    const char *mounts = parameters_get(repository->parameters, "CVMFS_MOUNT_DIR");
    auto_text struct text shared = TEXT_INIT;
    result = text_printf(&shared, "%s/%s/etc/cvmfs/blacklist", mounts ? mounts : "/cvmfs", config);
    return result < 0 ? result : blacklist_load(blacklist, shared.bytes);
}

/* A blacklist that is there and cannot be read must not pass for none: the last one stays. */
static int reload_blacklist(struct repository *repository)
{
    struct blacklist fresh = BLACKLIST_INIT;
    int result = load_blacklist(repository, &fresh);
    if (result < 0) {
        log_message(LOG_WARNING, "failed to read the blacklist: %s", strerror(-result));
        blacklist_free(&fresh);
        return result;
    }
    blacklist_free(&repository->blacklist);
    repository->blacklist = fresh;
    return 0;
}

int repository_open(const char *fqrn, const struct parameters *parameters, struct cache *cache,
                    struct downloader *downloader, struct fetcher *fetcher,
                    struct repository **repository, int *exit_code, struct error *error)
{
    struct repository *opened = malloc(sizeof *opened);
    *exit_code = EXIT_SIGNATURE;
    if (!opened)
        return error_system(error, -ENOMEM, WORDS_SIGNATURE);
    *opened = (struct repository){
        .fqrn = fqrn,
        .parameters = parameters,
        .cache = cache,
        .downloader = downloader,
        .fetcher = fetcher,
        .keys = MASTER_KEYS_INIT,
        .blacklist = BLACKLIST_INIT,
    };
    int result = master_keys_load(parameters, &opened->keys, error);
    if (result < 0) {
        (void)error_prefix(error, WORDS_SIGNATURE);
        repository_close(opened);
        return result;
    }
    result = load_blacklist(opened, &opened->blacklist);
    if (result < 0) {
        *exit_code = EXIT_CATALOG;
        repository_close(opened);
        return error_system(error, result, WORDS_CATALOG ": reading the blacklist");
    }
    *repository = opened;
    return 0;
}

void repository_close(struct repository *repository)
{
    if (!repository)
        return;
    master_keys_free(&repository->keys);
    blacklist_free(&repository->blacklist);
    free(repository);
}

const char *repository_public_keys(const struct repository *repository)
{
    return repository->keys.pem.bytes ? repository->keys.pem.bytes : "";
}

static int read_facts(const struct repository *repository, int fd, struct root_facts *facts,
                      struct error *error)
{
    struct catalog *catalog;
    int result = catalog_open(fd, &catalog, error);
    if (result < 0)
        return result;
    long long most = parameters_number(repository->parameters, "CVMFS_MAX_TTL", 0); /* minutes */
    facts->revision = catalog_revision(catalog);
    facts->ttl = catalog_ttl(catalog);
    if (most > 0 && facts->ttl / 60 >= most)
        facts->ttl = 60 * most;
    catalog_close(catalog);
    return 0;
}

static bool is_blacklisted(const struct repository *repository, uint64_t revision)
{
    return revision < blacklist_lowest_revision(&repository->blacklist, repository->fqrn);
}

/* Fetches the catalog root->catalog names into root->fd, and opens it for a look. A copy in the
 * cache that is no catalog (any more) is thrown away and fetched once more. */
static int obtain_root(const struct repository *repository, bool alternative,
                       struct repository_root *root, struct root_facts *facts, struct error *error)
{
    char text[HASH_TEXT_SIZE];
    auto_text struct text label = TEXT_INIT;
    if (text_printf(&label, "file catalog at %s:/ (%s)", repository->fqrn,
                    hash_format(&root->catalog, text)) < 0)
        return error_system(error, -ENOMEM, "fetching the root catalog");
    const struct object object = {
        .hash = root->catalog,
        .suffix = 'C',
        .compressed = true,
        .alternative = alternative,
        .size = OBJECT_SIZE_UNKNOWN,
        .label = label.bytes,
    };
    for (int attempt = 0;; attempt++) {
        auto_fd int fd = fetch_object(repository->fetcher, &object, error);
        if (fd < 0)
            return fd;
        int result = read_facts(repository, fd, facts, error);
        if (result == 0)
            root->fd = steal_fd(&fd);
        if (result != -EIO || attempt > 0)
            return result;
        log_message(LOG_WARNING, "discarding the damaged %s", label.bytes);
        fetch_discard(repository->fetcher, &root->catalog);
    }
}

/* The breadcrumb says what this cache knows; that a server confirmed it is its time. */
static void store_breadcrumb(const struct repository *repository,
                             const struct breadcrumb *breadcrumb)
{
    int result = breadcrumb_store(cache_directory(repository->cache), repository->fqrn, breadcrumb);
    if (result < 0)
        log_message(LOG_WARNING, "failed to store the cache's checksum file: %s",
                    strerror(-result));
}

static struct manifest_source manifest_source(const struct repository *repository)
{
    return (struct manifest_source){
        .fqrn = repository->fqrn,
        .downloader = repository->downloader,
        .fetcher = repository->fetcher,
        .keys = &repository->keys,
        .blacklist = &repository->blacklist,
    };
}

/* The newest root after `known`, whose catalog may be null, and what the breadcrumb has to say of
 * it. root->fd stays -1 when it is the same one. */
static int update_root(const struct repository *repository, const struct breadcrumb *known,
                       struct repository_root *root, struct root_facts *facts,
                       struct breadcrumb *found, struct error *error)
{
    const struct manifest_source source = manifest_source(repository);
    struct manifest manifest;
    int result = manifest_fetch(&source, &known->catalog, known->timestamp, &manifest, error);
    if (result < 0)
        return result;
    *found = *known; /* of a manifest with the same catalog nothing else was verified */
    found->checked = time(NULL);
    root->catalog = manifest.catalog;
    root->checked = found->checked;
    if (hash_equal(&manifest.catalog, &known->catalog))
        return 0;
    if (manifest.revision < known->revision)
        return error_set(
            error, -ESTALE, "the servers have revision %llu, but revision %llu is known already",
            (unsigned long long)manifest.revision, (unsigned long long)known->revision);
    result = obtain_root(repository, manifest.alternative, root, facts, error);
    if (result < 0)
        return result;
    root->history = manifest.history;
    root->metainfo = manifest.metainfo;
    found->catalog = manifest.catalog;
    found->timestamp = manifest.timestamp;
    found->revision = manifest.revision;
    return 0;
}

/* CVMFS_ROOT_HASH. */
static int select_hash(const struct repository *repository, const char *text,
                       struct repository_root *root, struct root_facts *facts, struct error *error)
{
    if (hash_parse(text, strlen(text), &root->catalog) < 0)
        return error_set(error, -EINVAL, "CVMFS_ROOT_HASH is no hash: %s", text);
    bool alternative = parameters_is_on(repository->parameters, "CVMFS_ALT_ROOT_PATH", false);
    root->fixed = true;
    return obtain_root(repository, alternative, root, facts, error);
}

static bool is_fresh(const struct breadcrumb *breadcrumb, const struct root_facts *facts)
{
    int64_t age = (int64_t)time(NULL) - breadcrumb->checked;
    return age >= 0 && age < facts->ttl;
}

/* The root that the breadcrumb names, if the cache has it whole. */
static int open_cached(const struct repository *repository, const struct breadcrumb *breadcrumb,
                       struct repository_root *root, struct root_facts *facts)
{
    auto_fd int fd = fetch_cached(repository->fetcher, &breadcrumb->catalog, OBJECT_SIZE_UNKNOWN);
    if (fd < 0)
        return fd;
    int result = read_facts(repository, fd, facts, NULL);
    if (result == 0)
        root->fd = steal_fd(&fd);
    return result;
}

/* No newer revision can be had, by `failure`: the one that is known, out of the cache or by its
 * hash. `failure` again when that is not possible. */
static int fall_back(const struct repository *repository, const struct breadcrumb *known,
                     struct repository_root *root, struct root_facts *facts, int failure)
{
    if (hash_is_null(&known->catalog))
        return failure;
    root->catalog = known->catalog;
    root->checked = known->checked;
    root->offline = true;
    if (root->fd < 0 && obtain_root(repository, false, root, facts, NULL) < 0)
        return failure; /* why nothing newer could be had says more */
    log_message(LOG_WARNING, WORDS_OFFLINE);
    return 0;
}

/* Neither hash nor tag nor date: the newest, or what the cache knows. */
static int select_newest(const struct repository *repository, struct repository_root *root,
                         struct root_facts *facts, struct error *error)
{
    struct breadcrumb known;
    if (breadcrumb_load(cache_directory(repository->cache), repository->fqrn, &known) < 0)
        known = (struct breadcrumb){.catalog.algorithm = HASH_NONE};
    else if (open_cached(repository, &known, root, facts) == 0 && is_fresh(&known, facts)) {
        root->catalog = known.catalog;
        root->checked = known.checked;
        root->fresh = true;
        return 0;
    }
    auto_fd int cached = root->fd; /* kept for the case that nothing is newer */
    root->fd = -1;
    struct root_facts cached_facts = *facts;
    struct breadcrumb found;
    int result = update_root(repository, &known, root, facts, &found, error);
    if (result == 0)
        store_breadcrumb(repository, &found);
    if (result == 0 && root->fd >= 0)
        return 0;
    root->fd = steal_fd(&cached);
    *facts = cached_facts;
    if (result < 0)
        return fall_back(repository, &known, root, facts, result);
    if (root->fd < 0) /* the newest one indeed, but not in the cache any more */
        return obtain_root(repository, false, root, facts, error);
    return 0;
}

int repository_select(struct repository *repository, struct repository_root *root, int *exit_code,
                      struct error *error)
{
    const struct parameters *parameters = repository->parameters;
    const char *hash = parameters_get(parameters, "CVMFS_ROOT_HASH");
    const char *tag = hash ? NULL : parameters_get(parameters, "CVMFS_REPOSITORY_TAG");
    const char *date = hash || tag ? NULL : parameters_get(parameters, "CVMFS_REPOSITORY_DATE");
    struct root_facts facts = {.revision = 0};
    struct error failure = ERROR_INIT;
    *root = (struct repository_root){.fd = -1};
    *exit_code = EXIT_CATALOG;
    int result;
    if (hash && *hash) {
        result = select_hash(repository, hash, root, &facts, &failure);
    } else if (tag || date) {
        const struct manifest_source source = manifest_source(repository);
        result = snapshot_find(&source, tag, date, &root->catalog, &failure);
        if (result < 0) {
            *exit_code = EXIT_HISTORY;
            return error_set(error, result, "%s", failure.message);
        }
        root->fixed = true;
        bool alternative = parameters_is_on(parameters, "CVMFS_ALT_ROOT_PATH", false);
        result = obtain_root(repository, alternative, root, &facts, &failure);
    } else {
        root->fixed = parameters_get(parameters, "CVMFS_AUTO_UPDATE") &&
                      !parameters_is_on(parameters, "CVMFS_AUTO_UPDATE", false);
        result = select_newest(repository, root, &facts, &failure);
    }
    if (result < 0)
        return error_set(error, result, WORDS_CATALOG ": %s", failure.message);
    if (is_blacklisted(repository, facts.revision)) {
        scope_close_fd(&root->fd);
        root->fd = -1;
        *exit_code = EXIT_REVISION;
        return error_set(error, -EKEYREVOKED, "repository revision blacklisted");
    }
    return 0;
}

int repository_check(struct repository *repository, const struct repository_root *current,
                     uint64_t current_revision, struct repository_root *root, struct error *error)
{
    *root = *current;
    root->fd = -1;
    root->offline = false;
    root->fresh = false;
    (void)reload_blacklist(repository); /* says so in the log, and the one that was loaded stays */
    if (is_blacklisted(repository, current_revision)) {
        log_message(LOG_ERR, "repository revision blacklisted");
        return error_set(error, -EKEYREVOKED, "repository revision blacklisted");
    }
    /* Another process on this cache may know a newer revision: nothing older than that is taken,
     * and what it wrote is not undone. */
    struct breadcrumb known;
    bool written =
        breadcrumb_load(cache_directory(repository->cache), repository->fqrn, &known) == 0;
    bool same = written && hash_equal(&known.catalog, &current->catalog);
    if (!written)
        known = (struct breadcrumb){.timestamp = 0};
    known.catalog = current->catalog;
    known.revision = current_revision;
    struct root_facts facts;
    struct breadcrumb found;
    int result = update_root(repository, &known, root, &facts, &found, error);
    if (result < 0) {
        *root = *current;
        root->fd = -1;
        if (!current->offline)
            log_message(LOG_WARNING, WORDS_OFFLINE);
        return result;
    }
    if (root->fd >= 0 || same || !written)
        store_breadcrumb(repository, &found);
    if (current->offline)
        log_message(LOG_NOTICE, "recovered from offline mode");
    return 0;
}
