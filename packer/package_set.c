/* Keeps what is wanted and what came of it side by side. */
#include "packer/package_set.h"

#include <errno.h>
#include <stdlib.h>

#include "payload/base/scope.h"

void package_set_free(struct package_set *set)
{
    for (size_t index = 0; index < set->count; index++) {
        download_free(&set->downloads[index]);
        resolved_free(&set->resolved[index]);
    }
    free(set->downloads);
    free(set->resolved);
    *set = (struct package_set)PACKAGE_SET_INIT;
}

int package_set_add(struct package_set *set, struct resolved *resolved)
{
    struct resolved *more = reallocarray(set->resolved, set->count + 1, sizeof *more);
    if (!more)
        return -ENOMEM;
    set->resolved = more;
    struct download *downloads = reallocarray(set->downloads, set->count + 1, sizeof *downloads);
    if (!downloads)
        return -ENOMEM;
    set->downloads = downloads;
    more[set->count] = *resolved;
    downloads[set->count] = (struct download){.fd = -1};
    set->count++;
    *resolved = (struct resolved)RESOLVED_INIT;
    return 0;
}

int package_set_resolve(struct package_set *set, const struct plan *plan, const char *version,
                        struct resolver *resolver, struct error *error)
{
    const char *sources[PLAN_PACKAGES_MAX];
    for (size_t index = 0; index < plan->count; index++)
        sources[index] = plan->packages[index].source;
    int result = resolver_load(resolver, sources, plan->count, error);
    for (size_t index = 0; result == 0 && index < plan->count; index++) {
        const struct plan_package *package = &plan->packages[index];
        auto_resolved struct resolved resolved = RESOLVED_INIT;
        result = resolver_find(resolver, package->source, package->name,
                               package->of_version ? version : NULL, &resolved, error);
        if (result == 0 && package_set_add(set, &resolved) < 0)
            result = error_system(error, -ENOMEM, "finding %s", package->name);
    }
    return result;
}

int package_set_download(struct package_set *set, size_t first, struct download_session *session,
                         struct error *error)
{
    for (size_t index = first; index < set->count; index++) {
        const struct resolved *resolved = &set->resolved[index];
        set->downloads[index] = (struct download){
            .label = resolved->label,
            .urls = (const char *const *)resolved->urls.items,
            .url_count = resolved->urls.count,
            .checksum = checksum_known(&resolved->checksum) ? &resolved->checksum : NULL,
            .size = resolved->size,
            .fd = -1,
        };
    }
    return download_all(session, set->downloads + first, set->count - first, error);
}

int package_set_urls(const struct package_set *set, struct text *text)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < set->count; index++)
        result = text_printf(text, "%s\n", set->resolved[index].urls.items[0]);
    return result;
}
