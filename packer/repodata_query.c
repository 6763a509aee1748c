/* Questions to loaded metadata. What is newer is decided by libsolv, with rpm's rules. */
#include <errno.h>
#include <solv/chksum.h>
#include <solv/dataiterator.h>
#include <solv/evr.h>
#include <solv/pool_parserpmrichdep.h>
#include <solv/queue.h>
#include <stdlib.h>
#include <string.h>

#include "packer/missing_package.h"
#include "packer/repodata_internal.h"
#include "packer/repomd.h"
#include "payload/base/scope.h"

static void queue_release(Queue *queue)
{
    queue_free(queue);
}

#define auto_queue __attribute__((cleanup(queue_release)))

void repodata_packages_free(struct repodata_packages *packages)
{
    free(packages->items);
    *packages = (struct repodata_packages)REPODATA_PACKAGES_INIT;
}

static int packages_add(struct repodata_packages *packages, const struct repodata_package *package)
{
    if (packages->count == packages->capacity) {
        const size_t capacity = packages->capacity ? packages->capacity * 2 : 8;
        struct repodata_package *items =
            realloc(packages->items, capacity * sizeof *packages->items);
        if (!items)
            return -ENOMEM;
        packages->items = items;
        packages->capacity = capacity;
    }
    packages->items[packages->count++] = *package;
    return 0;
}

int repodata_locate(const struct repodata *repodata, Id id, struct text *location,
                    struct checksum *checksum)
{
    Solvable *solvable = pool_id2solvable(repodata->pool, id);
    const char *place = solvable_lookup_location(solvable, NULL);
    if (!place || solvable_lookup_str(solvable, SOLVABLE_MEDIABASE))
        return -EINVAL; /* the latter is xml:base: a package at another server */
    Id type = 0;
    const char *digits = solvable_lookup_checksum(solvable, SOLVABLE_CHECKSUM, &type);
    const char *kind = digits ? solv_chksum_type2str(type) : NULL;
    if (!kind || checksum_parse(kind, digits, checksum) < 0)
        return -EINVAL;
    place = solvable_lookup_location(solvable, NULL); /* both lookups use the same short memory */
    return place ? repomd_escape_location(place, location) : -EINVAL;
}

void known_package_free(struct known_package *known)
{
    if (!known)
        return;
    text_free(&known->strings);
    free(known);
}

/* Appends a string and its NUL; `*offset` is where it begins. */
static int keep_string(struct text *strings, const char *string, size_t *offset)
{
    *offset = strings->length;
    return text_append(strings, string, strlen(string) + 1);
}

static int known_package_make(const struct repodata *repodata, Id id, struct known_package *known)
{
    Pool *pool = repodata->pool;
    Solvable *solvable = pool_id2solvable(pool, id);
    const struct loaded_repository *repository = solvable->repo->appdata;
    struct repodata_package *package = &known->package;
    auto_text struct text location = TEXT_INIT;
    int result = repodata_locate(repodata, id, &location, &package->checksum);
    size_t name = 0, evr = 0, architecture = 0, place = 0, file = 0;
    if (result == 0)
        result = keep_string(&known->strings, pool_id2str(pool, solvable->name), &name);
    if (result == 0)
        result = keep_string(&known->strings, pool_id2str(pool, solvable->evr), &evr);
    if (result == 0)
        result = keep_string(&known->strings, pool_id2str(pool, solvable->arch), &architecture);
    if (result == 0)
        result = keep_string(&known->strings, location.bytes, &place);
    if (result == 0) {
        const char *raw = solvable_lookup_location(solvable, NULL);
        const char *slash = strrchr(raw, '/');
        result = keep_string(&known->strings, slash ? slash + 1 : raw, &file);
    }
    if (result < 0)
        return result;
    package->id = id;
    package->repository = repository->name;
    package->name = known->strings.bytes + name;
    package->evr = known->strings.bytes + evr;
    package->architecture = known->strings.bytes + architecture;
    package->location = known->strings.bytes + place;
    package->file = known->strings.bytes + file;
    package->size = solvable_lookup_num(solvable, SOLVABLE_DOWNLOADSIZE, 0);
    return 0;
}

/* What is said of a solvable; it stays until the repodata is closed. 0 or -ENOMEM. */
static int describe(const struct repodata *repodata, Id id, struct repodata_package *package)
{
    struct known_package **place = &repodata->known[id];
    if (!*place) {
        struct known_package *made = calloc(1, sizeof *made);
        int result = made ? known_package_make(repodata, id, made) : -ENOMEM;
        if (result < 0) {
            known_package_free(made);
            return result;
        }
        *place = made;
    }
    *package = (*place)->package;
    return 0;
}

static bool is_in(const Solvable *solvable, const char *repository)
{
    const struct loaded_repository *loaded = solvable->repo ? solvable->repo->appdata : NULL;
    return loaded && (!repository || strcmp(loaded->name, repository) == 0);
}

static bool is_newer(Pool *pool, const Solvable *one, const Solvable *other)
{
    return pool_evrcmp(pool, one->evr, other->evr, EVRCMP_COMPARE) > 0;
}

/* The part of "[epoch:]version-release" that people call the version. */
static const char *version_of(const char *evr, size_t *length)
{
    const char *colon = strchr(evr, ':');
    const char *begin = colon ? colon + 1 : evr;
    const char *dash = strrchr(begin, '-');
    *length = dash ? (size_t)(dash - begin) : strlen(begin);
    return begin;
}

static bool has_version(Pool *pool, const Solvable *solvable, const char *wanted)
{
    size_t length = 0;
    const char *version = version_of(pool_id2str(pool, solvable->evr), &length);
    return strlen(wanted) == length && memcmp(version, wanted, length) == 0;
}

/* Puts the solvables of this name into `found`, newest first. Of equals the one of the repository
 * that was loaded first comes first. */
static void find_named(const struct repodata *repodata, const char *repository, const char *name,
                       Queue *found)
{
    Pool *pool = repodata->pool;
    const Id name_id = pool_str2id(pool, name, 0);
    Id id = 0, provider = 0;
    if (name_id == 0)
        return;
    FOR_PROVIDES (id, provider, name_id) {
        const Solvable *solvable = pool_id2solvable(pool, id);
        if (solvable->name != name_id || !is_in(solvable, repository))
            continue;
        int place = 0;
        while (place < found->count &&
               !is_newer(pool, solvable, pool_id2solvable(pool, found->elements[place])))
            place++;
        queue_insert(found, place, id);
    }
}

int repodata_versions(const struct repodata *repodata, const char *repository, const char *name,
                      struct strings *versions)
{
    auto_queue Queue found;
    queue_init(&found);
    find_named(repodata, repository, name, &found);
    for (int index = 0; index < found.count; index++) {
        const Solvable *solvable = pool_id2solvable(repodata->pool, found.elements[index]);
        size_t length = 0;
        const char *begin = version_of(pool_id2str(repodata->pool, solvable->evr), &length);
        auto_free char *version = strndup(begin, length);
        if (!version)
            return -ENOMEM;
        if (strings_contain(versions, version))
            continue;
        int result = strings_take(versions, steal_pointer(version));
        if (result < 0)
            return result;
    }
    return 0;
}

static int not_found(const struct repodata *repodata, const char *repository, const char *name,
                     const char *version, struct error *error)
{
    auto_strings struct strings versions = STRINGS_INIT;
    int result = repodata_versions(repodata, repository, name, &versions);
    if (result < 0)
        return error_system(error, result, "looking for %s", name);
    const struct missing_package missing = {
        .name = name,
        .architecture = repodata->architecture,
        .version = version,
        .where = repository ? repository : "the repositories",
    };
    return missing_package_error(&missing, &versions, error);
}

int repodata_find(const struct repodata *repodata, const char *repository, const char *name,
                  const char *version, struct repodata_package *package, struct error *error)
{
    auto_queue Queue found;
    queue_init(&found);
    find_named(repodata, repository, name, &found);
    for (int index = 0; index < found.count; index++) {
        const Id id = found.elements[index];
        if (version && !has_version(repodata->pool, pool_id2solvable(repodata->pool, id), version))
            continue;
        int result = describe(repodata, id, package);
        return result < 0 ? error_system(error, result, "looking for %s", name) : 0;
    }
    return not_found(repodata, repository, name, version, error);
}

/* Adds a provider, unless a newer package of its name is there; an older one makes room. */
static void add_provider(Pool *pool, Queue *providers, Id id)
{
    const Solvable *solvable = pool_id2solvable(pool, id);
    if (!is_in(solvable, NULL))
        return;
    for (int index = 0; index < providers->count; index++) {
        const Solvable *other = pool_id2solvable(pool, providers->elements[index]);
        if (other->name != solvable->name)
            continue;
        if (is_newer(pool, solvable, other))
            providers->elements[index] = id;
        return;
    }
    queue_push(providers, id);
}

static void add_owners(const struct repodata *repodata, const char *file, Queue *providers)
{
    Dataiterator iterator;
    (void)dataiterator_init(&iterator, repodata->pool, NULL, 0, SOLVABLE_FILELIST, file,
                            SEARCH_STRING | SEARCH_FILES);
    while (dataiterator_step(&iterator)) {
        add_provider(repodata->pool, providers, iterator.solvid);
        dataiterator_skip_solvable(&iterator);
    }
    dataiterator_free(&iterator);
}

static void add_capable(Pool *pool, Id dependency, Queue *providers)
{
    Id id = 0, provider = 0;
    FOR_PROVIDES (id, provider, dependency) {
        add_provider(pool, providers, id);
    }
}

static int add_providers(const struct repodata *repodata, Id dependency, const char *file,
                         struct repodata_packages *packages)
{
    Pool *pool = repodata->pool;
    auto_queue Queue providers;
    queue_init(&providers);
    if (dependency != 0)
        add_capable(pool, dependency, &providers);
    if (file)
        add_owners(repodata, file, &providers);
    int result = 0;
    for (int index = 0; index < providers.count && result == 0; index++) {
        struct repodata_package package;
        result = describe(repodata, providers.elements[index], &package);
        if (result == 0)
            result = packages_add(packages, &package);
    }
    return result;
}

int repodata_providers(const struct repodata *repodata, const char *capability,
                       struct repodata_packages *packages)
{
    return add_providers(repodata, pool_str2id(repodata->pool, capability, 0),
                         capability[0] == '/' ? capability : NULL, packages);
}

int repodata_requires(const struct repodata *repodata, const struct repodata_package *package,
                      struct strings *capabilities)
{
    Pool *pool = repodata->pool;
    auto_queue Queue dependencies;
    queue_init(&dependencies);
    (void)solvable_lookup_deparray(pool_id2solvable(pool, package->id), SOLVABLE_REQUIRES,
                                   &dependencies, 0);
    int result = 0;
    for (int index = 0; index < dependencies.count && result == 0; index++) {
        const char *words = pool_dep2str(pool, dependencies.elements[index]);
        const bool is_of_rpm = string_starts_with(words, "rpmlib(") ||
                               string_starts_with(words, "solvable:"); /* a mark of libsolv's */
        if (!is_of_rpm)
            result = strings_add(capabilities, words);
    }
    return result;
}

/* "NAME OPERATOR EVR" as libsolv has it; 0 for what is none. */
static Id parse_condition(Pool *pool, const char *requirement)
{
    static const struct {
        const char *operator;
        int flags;
    } operators[] = {{"<=", REL_LT | REL_EQ},
                     {">=", REL_GT | REL_EQ},
                     {"<", REL_LT},
                     {">", REL_GT},
                     {"=", REL_EQ}};
    const char *blank = strchr(requirement, ' ');
    const char *evr = blank ? strchr(blank + 1, ' ') : NULL;
    if (!evr)
        return 0;
    const size_t length = (size_t)(evr - blank - 1);
    for (size_t index = 0; index < sizeof operators / sizeof operators[0]; index++) {
        if (strlen(operators[index].operator) != length ||
            memcmp(operators[index].operator, blank + 1, length) != 0)
            continue;
        const Id name = pool_strn2id(pool, requirement, (unsigned)(blank - requirement), 1);
        return pool_rel2id(pool, name, pool_str2id(pool, evr + 1, 1), operators[index].flags, 1);
    }
    return 0;
}

int repodata_resolve(const struct repodata *repodata, const char *requirement,
                     struct repodata_packages *packages)
{
    Pool *pool = repodata->pool;
    if (requirement[0] == '(')
        return add_providers(repodata, pool_parserpmrichdep(pool, requirement), NULL, packages);
    if (!strchr(requirement, ' '))
        return repodata_providers(repodata, requirement, packages);
    return add_providers(repodata, parse_condition(pool, requirement), NULL, packages);
}

static const struct loaded_repository *find_repository(const struct repodata *repodata,
                                                       const char *name)
{
    for (size_t index = 0; index < repodata->repository_count; index++)
        if (strcmp(repodata->repositories[index]->name, name) == 0)
            return repodata->repositories[index];
    return NULL;
}

int repodata_urls(const struct repodata *repodata, const struct repodata_package *package,
                  struct strings *urls)
{
    const struct loaded_repository *repository = find_repository(repodata, package->repository);
    for (size_t index = 0; repository && index < repository->bases.count; index++) {
        auto_text struct text url = TEXT_INIT;
        int result = text_printf(&url, "%s/%s", repository->bases.items[index], package->location);
        if (result == 0)
            result = strings_take(urls, text_steal(&url));
        if (result < 0)
            return result;
    }
    return 0;
}
