/* A greedy choice: not the least number of packages that could do, but near it, and the same each
 * time. */
#include "packer/target_providers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"

/* A package that has something of what is lacking. */
struct candidate {
    struct repodata_package package;
    bool *has; /* for each lack */
};

struct choosing {
    const struct repodata *repodata;
    const struct target_lacks *lacks;
    const struct strings *except;
    struct candidate *candidates;
    size_t count;
    bool *supplied; /* for each lack */
};

static void choosing_free(struct choosing *choosing)
{
    for (size_t index = 0; index < choosing->count; index++)
        free(choosing->candidates[index].has);
    free(choosing->candidates);
    free(choosing->supplied);
}

int target_capability(const char *library, const char *version, struct text *text)
{
    return text_printf(text, "%s(%s)(64bit)", library, version ? version : "");
}

/* The candidate for a package, a new one if need be; NULL: no memory. */
static struct candidate *candidate_for(struct choosing *choosing,
                                       const struct repodata_package *package)
{
    for (size_t index = 0; index < choosing->count; index++)
        if (choosing->candidates[index].package.id == package->id)
            return &choosing->candidates[index];
    struct candidate *grown =
        reallocarray(choosing->candidates, choosing->count + 1, sizeof *grown);
    if (!grown)
        return NULL;
    choosing->candidates = grown;
    bool *has = calloc(choosing->lacks->count, sizeof *has);
    if (!has)
        return NULL;
    struct candidate *candidate = &grown[choosing->count++];
    *candidate = (struct candidate){.package = *package, .has = has};
    return candidate;
}

static int find_providers(const struct choosing *choosing, const char *library, const char *version,
                          struct repodata_packages *providers)
{
    auto_text struct text capability = TEXT_INIT;
    int result = target_capability(library, version, &capability);
    return result == 0 ? repodata_providers(choosing->repodata, capability.bytes, providers)
                       : result;
}

/* Who has the library without saying so of the version may have it nevertheless. */
static int add_candidates(struct choosing *choosing, size_t lack)
{
    const struct target_lack *lacking = &choosing->lacks->items[lack];
    auto_repodata_packages struct repodata_packages providers = REPODATA_PACKAGES_INIT;
    int result = find_providers(choosing, lacking->library, lacking->version, &providers);
    if (result == 0 && providers.count == 0 && lacking->version)
        result = find_providers(choosing, lacking->library, NULL, &providers);
    for (size_t index = 0; result == 0 && index < providers.count; index++) {
        if (strings_contain(choosing->except, providers.items[index].file))
            continue;
        struct candidate *candidate = candidate_for(choosing, &providers.items[index]);
        if (!candidate)
            return -ENOMEM;
        candidate->has[lack] = true;
    }
    return result;
}

static size_t count_supplies(const struct choosing *choosing, const struct candidate *candidate)
{
    size_t count = 0;
    for (size_t lack = 0; lack < choosing->lacks->count; lack++)
        count += candidate->has[lack] && !choosing->supplied[lack];
    return count;
}

/* Ids count through one repository after the other, in the order of loading. */
static bool is_preferred(const struct repodata_package *one, const struct repodata_package *other)
{
    if (strcmp(one->repository, other->repository) != 0)
        return one->id < other->id;
    const size_t length = strlen(one->name);
    const size_t other_length = strlen(other->name);
    return length != other_length ? length < other_length : strcmp(one->name, other->name) < 0;
}

/* The best of those that supply anything; NULL when none does. */
static const struct candidate *find_best(const struct choosing *choosing)
{
    const struct candidate *best = NULL;
    size_t most = 0;
    for (size_t index = 0; index < choosing->count; index++) {
        const struct candidate *candidate = &choosing->candidates[index];
        const size_t count = count_supplies(choosing, candidate);
        if (count > most ||
            (best && count == most && is_preferred(&candidate->package, &best->package))) {
            best = candidate;
            most = count;
        }
    }
    return best;
}

static int append_package(struct repodata_packages *packages,
                          const struct repodata_package *package)
{
    struct repodata_package *grown =
        reallocarray(packages->items, packages->count + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    packages->items = grown;
    grown[packages->count++] = *package;
    packages->capacity = packages->count;
    return 0;
}

int target_providers_choose(const struct repodata *repodata, const struct target_lacks *lacks,
                            const struct strings *except, struct repodata_packages *chosen)
{
    __attribute__((cleanup(choosing_free))) struct choosing choosing = {
        .repodata = repodata,
        .lacks = lacks,
        .except = except,
        .supplied = calloc(lacks->count + 1, sizeof(bool)),
    };
    int result = choosing.supplied ? 0 : -ENOMEM;
    for (size_t lack = 0; result == 0 && lack < lacks->count; lack++)
        result = add_candidates(&choosing, lack);
    for (const struct candidate *best; result == 0 && (best = find_best(&choosing));) {
        result = append_package(chosen, &best->package);
        for (size_t lack = 0; lack < lacks->count; lack++)
            choosing.supplied[lack] |= best->has[lack];
    }
    return result;
}
