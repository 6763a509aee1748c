/* The steps in their order; each of them is a file of its own. */
#include "packer/distribution.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packer/download_display.h"
#include "packer/links.h"
#include "packer/package.h"
#include "packer/starters.h"
#include "packer/target_closure.h"
#include "payload/base/scope.h"

/* Repositories of the target's own system, for the closure. */
static const char *const system_sources[] = {"os", "os-more"};

struct distribution {
    struct distribution_options options;
    const struct source_table *table;
    struct download_display display;
    struct download_session *session;
    struct resolver *resolver;
    struct package_set packages;
    const struct stage *stage; /* while there is one: who is interrupted then must clean up */
};

void distribution_close(struct distribution *distribution)
{
    if (!distribution)
        return;
    package_set_free(&distribution->packages);
    resolver_close(distribution->resolver);
    download_session_close(distribution->session);
    free(distribution);
}

const struct package_set *distribution_packages(const struct distribution *distribution)
{
    return &distribution->packages;
}

static int ask_stage(void *context, struct error *error)
{
    const struct distribution *distribution = context;
    return distribution->stage ? stage_interrupted(distribution->stage, error) : 0;
}

static int open_session(struct distribution *distribution, struct error *error)
{
    auto_text struct text cache = TEXT_INIT;
    if (!distribution->options.cache) {
        int result = download_cache_default(&cache, error);
        if (result < 0)
            return result;
    }
    struct download_settings settings = download_settings_default();
    settings.cache = distribution->options.cache ? distribution->options.cache : cache.bytes;
    settings.report = download_display_report;
    settings.report_context = &distribution->display;
    settings.interrupted = ask_stage;
    settings.interrupted_context = distribution;
    distribution->display = download_display_begin(distribution->options.quiet);
    int result = download_session_open(&settings, &distribution->session, error);
    return result < 0 ? error_prefix(error, "keeping downloads (--cache=DIR says where)") : 0;
}

/* The newest client that the source of the version has. What osg and egi carry is named by their
 * packages for x86_64, whatever the machine is. */
static int find_version(struct distribution *distribution, struct text *version,
                        struct error *error)
{
    const struct plan_request *request = &distribution->options.request;
    const char *source = plan_version_source(request);
    struct machine deciding = *request->machine;
    struct resolver *other = NULL;
    struct resolver *resolver = distribution->resolver;
    int result = 0;
    if (strcmp(source, request->distribution) == 0) {
        deciding.architecture = "x86_64";
        result =
            resolver_open(distribution->table, &deciding, distribution->session, &other, error);
        resolver = other;
    }
    auto_resolved struct resolved client = RESOLVED_INIT;
    if (result == 0)
        result = resolver_find(resolver, source, "cvmfs", NULL, &client, error);
    if (result == 0 && !client.version)
        result = error_set(error, -EINVAL,
                           "the table of sources names a file for %s: choose its version with -v",
                           source);
    if (result == 0 && text_append_string(version, client.version) < 0)
        result = error_system(error, -ENOMEM, "looking for a client");
    resolver_close(other);
    return result;
}

static int find_packages(struct distribution *distribution, struct error *error)
{
    const struct plan_request *request = &distribution->options.request;
    auto_text struct text version = TEXT_INIT;
    struct plan plan;
    int result = 0;
    /* Before any network is asked: is there such a distribution? */
    if (plan_version_source(request))
        result = plan_make(request, distribution->table, "2.13", &plan, error);
    if (result < 0)
        return result;
    if (distribution->options.version)
        result = text_append_string(&version, distribution->options.version);
    else if (plan_version_source(request))
        result = find_version(distribution, &version, error);
    if (result == 0)
        result = plan_make(request, distribution->table, version.bytes, &plan, error);
    return result < 0 ? result
                      : package_set_resolve(&distribution->packages, &plan, version.bytes,
                                            distribution->resolver, error);
}

static bool has_keys(const struct distribution *distribution, const struct resolved *resolved)
{
    return distribution->options.keys || resolved->keys.count > 0;
}

/* Whose signature counts for a package: a source's keys are for what comes from there. */
static int open_trust(const struct distribution *distribution, const struct resolved *resolved,
                      struct package_trust **trust, struct error *error)
{
    struct package_trust *made = NULL;
    int result = package_trust_open(&made, error);
    if (result == 0 && distribution->options.keys)
        result = package_trust_add_directory(made, distribution->options.keys, error);
    for (size_t index = 0; result == 0 && index < resolved->keys.count; index++)
        result = package_trust_add_file(made, resolved->keys.items[index], error);
    if (result < 0)
        package_trust_close(made);
    else
        *trust = made;
    return result;
}

/* Keys that cannot be read, or are missing, are said before packages are downloaded. */
static int check_keys(const struct distribution *distribution, struct error *error)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < distribution->packages.count; index++) {
        const struct resolved *resolved = &distribution->packages.resolved[index];
        struct package_trust *trust = NULL;
        if (distribution->options.require_signatures && !has_keys(distribution, resolved))
            return error_set(error, -EINVAL,
                             "--require-signatures: no key is known for %s: name them with "
                             "--keys=DIR, or with 'key = FILE' in a table of sources",
                             resolved->label);
        result = open_trust(distribution, resolved, &trust, error);
        package_trust_close(trust);
    }
    return result;
}

int distribution_open(const struct distribution_options *options, const struct source_table *table,
                      struct distribution **distribution, struct error *error)
{
    struct distribution *made = calloc(1, sizeof *made);
    if (!made)
        return error_system(error, -ENOMEM, "preparing");
    made->options = *options;
    made->table = table;
    int result = open_session(made, error);
    if (result == 0)
        result =
            resolver_open(table, options->request.machine, made->session, &made->resolver, error);
    if (result == 0)
        result = find_packages(made, error);
    if (result == 0)
        result = check_keys(made, error);
    download_display_end(&made->display);
    if (result < 0)
        distribution_close(made);
    else
        *distribution = made;
    return result;
}

static int check_package(void *context, const struct resolved *resolved,
                         const struct download *download, struct error *error)
{
    const struct distribution *distribution = context;
    enum package_signature signature;
    struct package_trust *trust = NULL;
    int result = open_trust(distribution, resolved, &trust, error);
    if (result == 0)
        result = package_verify(download->fd, resolved->label, trust, &signature, error);
    package_trust_close(trust);
    if (result < 0 || signature == PACKAGE_SIGNED)
        return result;
    const char *problem = signature == PACKAGE_UNSIGNED
                              ? "is not signed"
                              : "is signed by a key that is not among the trusted ones";
    if (distribution->options.require_signatures)
        return error_set(error, -EBADMSG, "%s %s", resolved->label, problem);
    if (has_keys(distribution, resolved) && !distribution->options.quiet)
        (void)fprintf(stderr, "makedist: warning: %s %s\n", resolved->label, problem);
    return 0;
}

int distribution_download(struct distribution *distribution, struct error *error)
{
    struct package_set *set = &distribution->packages;
    int result = package_set_download(set, 0, distribution->session, error);
    download_display_end(&distribution->display);
    for (size_t index = 0; result == 0 && index < set->count; index++)
        result = check_package(distribution, &set->resolved[index], &set->downloads[index], error);
    return result;
}

/* Those sources of the target's system that the table has. */
static int load_system(struct distribution *distribution, struct error *error)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < sizeof system_sources / sizeof system_sources[0];
         index++) {
        auto_source struct source source = SOURCE_INIT;
        result = source_find(distribution->table, system_sources[index],
                             distribution->options.request.machine, &source);
        if (result == -ENOENT)
            result = 0;
        else if (result == 0)
            result = resolver_load(distribution->resolver, &system_sources[index], 1, error);
        else
            (void)error_system(error, result, "looking for %s", system_sources[index]);
    }
    return result;
}

static int fill_closure(struct distribution *distribution, const struct stage *stage,
                        struct error *error)
{
    const struct target_closure_options options = {
        .machine = distribution->options.request.machine,
        .resolver = distribution->resolver,
        .session = distribution->session,
        .check = check_package,
        .check_context = distribution,
    };
    int result = load_system(distribution, error);
    if (result == 0)
        result = target_closure_fill(&options, stage, &distribution->packages, error);
    download_display_end(&distribution->display);
    return result;
}

static int compare_closure(const struct distribution *distribution, const struct stage *stage,
                           struct error *error)
{
    auto_text struct text names = TEXT_INIT;
    int result =
        target_closure_compare(distribution->options.request.machine, stage, &names, error);
    if (result == 0 && names.length > 0 && !distribution->options.quiet)
        (void)fprintf(stderr, "makedist: the nodes must have these libraries: %s\n", names.bytes);
    return result;
}

/* What a client from packages needs, and ours has anyway. */
static int finish_client(struct distribution *distribution, const struct stage *stage,
                         struct error *error)
{
    const struct starters_options starters = {.directory = distribution->options.directory,
                                              .machine = distribution->options.request.machine};
    int result = distribution->options.without_closure ? compare_closure(distribution, stage, error)
                                                       : fill_closure(distribution, stage, error);
    if (result == 0)
        result = starters_wrap_helpers(&starters, stage, error);
    return result < 0 ? result : starters_add_namer(&starters, stage, error);
}

int distribution_fill(struct distribution *distribution, const struct stage *stage,
                      struct error *error)
{
    const struct package_unpacking everything = {.wanted = NULL};
    const struct package_set *set = &distribution->packages;
    distribution->stage = stage;
    int result = 0;
    for (size_t index = 0; result == 0 && index < set->count; index++)
        result = package_unpack(set->downloads[index].fd, set->resolved[index].label, stage,
                                &everything, error);
    if (result == 0)
        result = links_make_relative(stage->fd, error);
    if (result == 0 && !distribution->options.request.native)
        result = finish_client(distribution, stage, error);
    distribution->stage = NULL;
    return result;
}
