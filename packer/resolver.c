/* Which of the three ways a source has is tried in this order: one named file, metadata, listing.
 */
#include "packer/resolver.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "packer/listing.h"
#include "payload/base/scope.h"

/* A source whose packages are known. */
struct loaded {
    struct source source;
    bool has_metadata;
    struct listing listing; /* without metadata */
};

struct resolver {
    const struct source_table *table;
    const struct machine *machine;
    struct download_session *session;
    struct repodata *repodata;
    struct loaded **loaded;
    size_t count;
};

void resolved_free(struct resolved *resolved)
{
    free(resolved->label);
    free(resolved->version);
    strings_free(&resolved->urls);
    strings_free(&resolved->keys);
    *resolved = (struct resolved)RESOLVED_INIT;
}

static void loaded_free(struct loaded **loaded)
{
    if (!*loaded)
        return;
    source_free(&(*loaded)->source);
    listing_free(&(*loaded)->listing);
    free(*loaded);
    *loaded = NULL;
}

#define auto_loaded __attribute__((cleanup(loaded_free)))

int resolver_open(const struct source_table *table, const struct machine *machine,
                  struct download_session *session, struct resolver **resolver, struct error *error)
{
    struct resolver *made = calloc(1, sizeof *made);
    if (!made)
        return error_system(error, -ENOMEM, "preparing the search for packages");
    *made = (struct resolver){.table = table, .machine = machine, .session = session};
    int result = repodata_open(machine->architecture, &made->repodata, error);
    if (result < 0)
        resolver_close(made);
    else
        *resolver = made;
    return result;
}

void resolver_close(struct resolver *resolver)
{
    if (!resolver)
        return;
    for (size_t index = 0; index < resolver->count; index++)
        loaded_free(&resolver->loaded[index]);
    free(resolver->loaded);
    repodata_close(resolver->repodata);
    free(resolver);
}

struct repodata *resolver_repodata(struct resolver *resolver)
{
    return resolver->repodata;
}

static struct loaded *find_loaded(const struct resolver *resolver, const char *name)
{
    for (size_t index = 0; index < resolver->count; index++)
        if (strcmp(resolver->loaded[index]->source.name, name) == 0)
            return resolver->loaded[index];
    return NULL;
}

static const char *const *urls_of(const struct strings *strings)
{
    return (const char *const *)strings->items;
}

/* Takes over `*loaded`. */
static int keep(struct resolver *resolver, struct loaded **loaded, struct error *error)
{
    struct loaded **grown =
        reallocarray(resolver->loaded, resolver->count + 1, sizeof(struct loaded *));
    if (!grown)
        return error_system(error, -ENOMEM, "loading metadata");
    resolver->loaded = grown;
    grown[resolver->count++] = steal_pointer(*loaded);
    return 0;
}

static int begin_source(struct resolver *resolver, const char *name, struct error *error)
{
    auto_loaded struct loaded *loaded = calloc(1, sizeof *loaded);
    if (!loaded)
        return error_system(error, -ENOMEM, "loading metadata");
    int result = source_find(resolver->table, name, resolver->machine, &loaded->source);
    if (result == -ENOENT)
        return error_set(error, result, "the table of sources has no \"%s\" for %s", name,
                         resolver->machine->name);
    if (result < 0)
        return error_system(error, result, "loading metadata");
    return keep(resolver, &loaded, error);
}

static int load_listing(struct resolver *resolver, struct loaded *loaded, struct error *error)
{
    const struct strings *listings = &loaded->source.listings;
    if (listings->count == 0)
        return error_set(error, -ENOENT, "%s: there is no repodata at %s, and no listing is known",
                         loaded->source.name,
                         loaded->source.bases.count ? loaded->source.bases.items[0] : "all");
    return listing_load(resolver->session, urls_of(listings), listings->count, &loaded->listing,
                        error);
}

static void mark_metadata(const struct resolver *resolver,
                          const struct repodata_repository *repository)
{
    struct loaded *loaded = find_loaded(resolver, repository->name);
    if (loaded)
        loaded->has_metadata = repository->loaded;
}

/* Those from `first` on: metadata of all at once, then the listings of those without. */
static int load_from(struct resolver *resolver, size_t first, struct error *error)
{
    const size_t most = resolver->count - first;
    auto_free struct repodata_repository *repositories = calloc(most + 1, sizeof *repositories);
    if (!repositories)
        return error_system(error, -ENOMEM, "loading metadata");
    size_t count = 0;
    for (size_t index = first; index < resolver->count; index++) {
        const struct source *source = &resolver->loaded[index]->source;
        if (source->files.count == 0 && source->bases.count > 0)
            repositories[count++] =
                (struct repodata_repository){.name = source->name,
                                             .bases = urls_of(&source->bases),
                                             .base_count = source->bases.count,
                                             .optional = source->listings.count > 0};
    }
    int result = repodata_add(resolver->repodata, resolver->session, repositories, count, error);
    for (size_t index = 0; index < count && result == 0; index++)
        mark_metadata(resolver, &repositories[index]);
    for (size_t index = first; index < resolver->count && result == 0; index++) {
        struct loaded *loaded = resolver->loaded[index];
        if (loaded->source.files.count == 0 && !loaded->has_metadata)
            result = load_listing(resolver, loaded, error);
    }
    return result;
}

int resolver_load(struct resolver *resolver, const char *const *sources, size_t count,
                  struct error *error)
{
    const size_t first = resolver->count;
    int result = 0;
    for (size_t index = 0; index < count && result == 0; index++)
        if (!find_loaded(resolver, sources[index]))
            result = begin_source(resolver, sources[index], error);
    if (result == 0 && resolver->count > first)
        result = load_from(resolver, first, error);
    while (result < 0 && resolver->count > first) /* as if they had never been asked for */
        loaded_free(&resolver->loaded[--resolver->count]);
    return result;
}

static int copy_strings(const struct strings *from, struct strings *to)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < from->count; index++)
        result = strings_add(to, from->items[index]);
    return result;
}

/* "1:2.13.3-1.el9" without epoch and release. */
static char *version_of(const char *evr)
{
    const char *colon = strchr(evr, ':');
    const char *version = colon ? colon + 1 : evr;
    const char *dash = strrchr(version, '-');
    return strndup(version, dash ? (size_t)(dash - version) : strlen(version));
}

int resolver_describe(struct resolver *resolver, const struct repodata_package *package,
                      struct resolved *resolved)
{
    const struct loaded *loaded = find_loaded(resolver, package->repository);
    resolved->label = strdup(package->file);
    resolved->version = version_of(package->evr);
    resolved->checksum = package->checksum;
    resolved->size = package->size;
    if (!resolved->label || !resolved->version)
        return -ENOMEM;
    int result = repodata_urls(resolver->repodata, package, &resolved->urls);
    return result == 0 && loaded ? copy_strings(&loaded->source.keys, &resolved->keys) : result;
}

/* The same file may be listed at one mirror and loaded from another: from each of the bases, and
 * from where the listing is. */
static int describe_listed(const struct loaded *loaded, const struct listing_package *package,
                           struct resolved *resolved)
{
    resolved->label = strdup(package->file);
    resolved->version = strdup(package->version);
    int result = resolved->label && resolved->version ? 0 : -ENOMEM;
    for (size_t index = 0; result == 0 && index < loaded->source.listings.count; index++)
        result = listing_url(loaded->source.listings.items[index], package, &resolved->urls);
    return result == 0 ? copy_strings(&loaded->source.keys, &resolved->keys) : result;
}

static int describe_file(const struct loaded *loaded, struct resolved *resolved)
{
    const char *slash = strrchr(loaded->source.files.items[0], '/');
    resolved->label = strdup(slash[1] ? slash + 1 : loaded->source.name);
    if (!resolved->label)
        return -ENOMEM;
    int result = copy_strings(&loaded->source.files, &resolved->urls);
    return result == 0 ? copy_strings(&loaded->source.keys, &resolved->keys) : result;
}

int resolver_find(struct resolver *resolver, const char *source, const char *package,
                  const char *version, struct resolved *resolved, struct error *error)
{
    int result = resolver_load(resolver, &source, 1, error);
    if (result < 0)
        return result;
    const struct loaded *loaded = find_loaded(resolver, source);
    if (!loaded)
        return error_set(error, -ENOENT, "%s was not loaded", source);
    if (loaded->source.files.count > 0) {
        result = describe_file(loaded, resolved);
    } else if (loaded->has_metadata) {
        struct repodata_package found;
        result = repodata_find(resolver->repodata, source, package, version, &found, error);
        if (result < 0)
            return error_prefix(error, "%s", loaded->source.bases.items[0]);
        result = resolver_describe(resolver, &found, resolved);
    } else {
        const struct listing_package *found;
        result = listing_find(&loaded->listing, package, resolver->machine->architecture, version,
                              &found, error);
        if (result < 0)
            return error_prefix(error, "%s", loaded->source.listings.items[0]);
        result = describe_listed(loaded, found, resolved);
    }
    return result < 0 ? error_system(error, result, "finding %s", package) : 0;
}
