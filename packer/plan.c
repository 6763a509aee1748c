/* Rules only: names of packages, and the conditions under which they are wanted. */
#include "packer/plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is(const char *one, const char *other)
{
    return strcmp(one, other) == 0;
}

/* osg and egi test a client together with their configuration. */
static bool has_own_client(const struct plan_request *request)
{
    return is(request->distribution, "osg") || is(request->distribution, "egi");
}

const char *plan_version_source(const struct plan_request *request)
{
    if (request->native)
        return NULL;
    /* What they carry for this architecture is not what decides: it is one version for all. On
     * ppc64le there is but one place for clients. */
    bool own = has_own_client(request) && !is(request->machine->architecture, "ppc64le");
    return own ? request->distribution : "cvmfs";
}

struct version {
    unsigned major;
    unsigned minor;
};

/* The first two numbers of "2.13.3". */
static bool read_version(const char *text, struct version *version)
{
    int end = -1;
    return isdigit((unsigned char)text[0]) && strlen(text) < 32 &&
           sscanf(text, "%9u.%9u%n", &version->major, &version->minor, &end) == 2 && end > 0 &&
           (text[end] == '.' || text[end] == '\0' || text[end] == '~');
}

static bool is_at_least(const struct version *version, unsigned major, unsigned minor)
{
    return version->major > major || (version->major == major && version->minor >= minor);
}

static void add(struct plan *plan, const char *name, const char *source, bool of_version)
{
    plan->packages[plan->count++] =
        (struct plan_package){.name = name, .source = source, .of_version = of_version};
}

static void add_configuration(const struct plan_request *request, struct plan *plan)
{
    static const struct {
        const char *distribution, *package;
    } configurations[] = {{"osg", "cvmfs-config-osg"},
                          {"egi", "cvmfs-config-egi"},
                          {"default", "cvmfs-config-default"}};
    for (size_t index = 0; index < sizeof configurations / sizeof configurations[0]; index++)
        if (is(request->distribution, configurations[index].distribution))
            add(plan, configurations[index].package, configurations[index].distribution, false);
}

/* libfuse3 came with Enterprise Linux 9; the client needs nothing else from 2.13 on, and a
 * container runtime can hand over a mount to nothing else. */
static bool wants_fuse3(const struct plan_request *request, const struct version *version)
{
    const char *major = request->machine->version;
    return is(request->machine->family, "suse") || request->sing || is_at_least(version, 2, 13) ||
           !(is(major, "7") || is(major, "8"));
}

static void add_client(const struct plan_request *request, const struct version *version,
                       struct plan *plan)
{
    const struct machine *machine = request->machine;
    add(plan, "cvmfs", "cvmfs", true);
    if (is_at_least(version, 2, 10))
        add(plan, "cvmfs-libs", "cvmfs", true);
    add_configuration(request, plan);
    if (has_own_client(request) && is(machine->architecture, "x86_64")) {
        add(plan, "cvmfs-x509-helper", request->distribution, false);
        add(plan, "scitokens-cpp", "epel", false);
    }
    const bool fuse3 = wants_fuse3(request, version);
    if (fuse3)
        add(plan, "cvmfs-fuse3", "cvmfs", true);
    if (fuse3)
        add(plan, is(machine->family, "suse") ? "libfuse3-3" : "fuse3-libs", "fuse", false);
    else
        add(plan, "fuse-libs", "fuse2", false);
    if (is(machine->family, "rhel") && is(machine->version, "7"))
        add(plan, "fuse2fs", "fuse2fs", false); /* later ones have it in the system */
}

static int check_sources(const struct plan_request *request, const struct source_table *table,
                         const struct plan *plan, struct error *error)
{
    for (size_t index = 0; index < plan->count; index++) {
        auto_source struct source source = SOURCE_INIT;
        const char *name = plan->packages[index].source;
        int result = source_find(table, name, request->machine, &source);
        if (result == -ENOENT)
            return error_set(error, -ENOTSUP,
                             "%s is not made for %s: the table of sources has no \"%s\" for it",
                             request->distribution, request->machine->name, name);
        if (result < 0)
            return error_system(error, result, "planning");
    }
    return 0;
}

int plan_make(const struct plan_request *request, const struct source_table *table,
              const char *version, struct plan *plan, struct error *error)
{
    *plan = (struct plan){.count = 0};
    struct version numbers = {0, 0};
    if (request->native) {
        add_configuration(request, plan);
    } else {
        if (!read_version(version, &numbers))
            return error_set(error, -EINVAL, "\"%s\" is not a version of a client, as 2.13.3 is",
                             version);
        add_client(request, &numbers, plan);
    }
    return check_sources(request, table, plan, error);
}
