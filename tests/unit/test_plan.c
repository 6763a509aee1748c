/* The packages of every distribution, machine type by machine type, as the contract has them
 * (compatibility, "Where makedist downloads from"). */
#include <errno.h>
#include <stdlib.h>

#include "packer/plan.h"
#include "payload/base/scope.h"
#include "tests/unit/tap.h"

/* Each package behind the name of its source; for a client 2.12, which is on both sides of no rule
 * but that of libfuse3. NULL: not made. */
static const struct row {
    const char *machine, *distribution;
    const char *version_source;
    const char *standard, *sing;
} matrix[] = {
    {"rhel7-x86_64", "osg", NULL, NULL, NULL},
    {"rhel7-x86_64", "egi", NULL, NULL, NULL},
    {"rhel7-x86_64", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default fuse2/fuse-libs fuse2fs/fuse2fs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs "
     "fuse2fs/fuse2fs"},
    {"rhel7-x86_64", "none", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs fuse2/fuse-libs fuse2fs/fuse2fs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs fuse2fs/fuse2fs"},
    {"rhel8-aarch64", "osg", "osg",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg fuse2/fuse-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel8-aarch64", "egi", NULL, NULL, NULL},
    {"rhel8-aarch64", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default fuse2/fuse-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel8-aarch64", "none", "cvmfs", "cvmfs/cvmfs cvmfs/cvmfs-libs fuse2/fuse-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel8-ppc64le", "osg", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg fuse2/fuse-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel8-ppc64le", "egi", NULL, NULL, NULL},
    {"rhel8-ppc64le", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default fuse2/fuse-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel8-ppc64le", "none", "cvmfs", "cvmfs/cvmfs cvmfs/cvmfs-libs fuse2/fuse-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel8-x86_64", "osg", "osg",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg osg/cvmfs-x509-helper epel/scitokens-cpp "
     "fuse2/fuse-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg osg/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel8-x86_64", "egi", NULL, NULL, NULL},
    {"rhel8-x86_64", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default fuse2/fuse-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel8-x86_64", "none", "cvmfs", "cvmfs/cvmfs cvmfs/cvmfs-libs fuse2/fuse-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-aarch64", "osg", "osg",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-aarch64", "egi", "egi",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-aarch64", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-aarch64", "none", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-ppc64le", "osg", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-ppc64le", "egi", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-ppc64le", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-ppc64le", "none", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-x86_64", "osg", "osg",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg osg/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg osg/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-x86_64", "egi", "egi",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi egi/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi egi/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-x86_64", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel9-x86_64", "none", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel10-x86_64", "osg", "osg",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg osg/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg osg/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel10-x86_64", "egi", NULL, NULL, NULL},
    {"rhel10-x86_64", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"rhel10-x86_64", "none", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
    {"suse15-aarch64", "osg", "osg",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg cvmfs/cvmfs-fuse3 fuse/libfuse3-3",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg cvmfs/cvmfs-fuse3 fuse/libfuse3-3"},
    {"suse15-aarch64", "egi", "egi",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi cvmfs/cvmfs-fuse3 fuse/libfuse3-3",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi cvmfs/cvmfs-fuse3 fuse/libfuse3-3"},
    {"suse15-aarch64", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/libfuse3-3",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/libfuse3-3"},
    {"suse15-aarch64", "none", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/libfuse3-3",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/libfuse3-3"},
    {"suse15-x86_64", "osg", "osg",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg osg/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/libfuse3-3",
     "cvmfs/cvmfs cvmfs/cvmfs-libs osg/cvmfs-config-osg osg/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/libfuse3-3"},
    {"suse15-x86_64", "egi", "egi",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi egi/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/libfuse3-3",
     "cvmfs/cvmfs cvmfs/cvmfs-libs egi/cvmfs-config-egi egi/cvmfs-x509-helper epel/scitokens-cpp "
     "cvmfs/cvmfs-fuse3 fuse/libfuse3-3"},
    {"suse15-x86_64", "default", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/libfuse3-3",
     "cvmfs/cvmfs cvmfs/cvmfs-libs default/cvmfs-config-default cvmfs/cvmfs-fuse3 fuse/libfuse3-3"},
    {"suse15-x86_64", "none", "cvmfs",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/libfuse3-3",
     "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/libfuse3-3"},
};

static struct source_table *table;

/* What a plan says, in the form of the matrix; NULL when there is none. */
static char *describe(const struct plan_request *request, const char *version)
{
    struct plan plan;
    if (plan_make(request, table, version, &plan, NULL) < 0)
        return NULL;
    auto_text struct text text = TEXT_INIT;
    (void)text_append_string(&text, "");
    for (size_t index = 0; index < plan.count; index++)
        (void)text_printf(&text, "%s%s/%s", index ? " " : "", plan.packages[index].source,
                          plan.packages[index].name);
    return text_steal(&text);
}

static bool same(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static void every_distribution_has_its_packages(void)
{
    for (size_t index = 0; index < sizeof matrix / sizeof matrix[0]; index++) {
        const struct row *row = &matrix[index];
        for (int sing = 0; sing < 2; sing++) {
            const struct plan_request request = {.machine = machine_find(row->machine),
                                                 .distribution = row->distribution,
                                                 .sing = sing};
            auto_free char *got = describe(&request, "2.12.7");
            CHECK(same(got, sing ? row->sing : row->standard), "%s%s for %s: %s", row->distribution,
                  sing ? " -s" : "", row->machine, got ? got : "not made");
            CHECK(!got || same(plan_version_source(&request), row->version_source),
                  "%s for %s: the version is that of %s", row->distribution, row->machine,
                  row->version_source ? row->version_source : "nobody");
        }
    }
}

static void the_version_of_the_client_decides(void)
{
    static const struct {
        const char *version, *packages;
    } cases[] = {
        {"2.9.4", "cvmfs/cvmfs fuse2/fuse-libs"},
        {"2.10.0", "cvmfs/cvmfs cvmfs/cvmfs-libs fuse2/fuse-libs"},
        {"2.13.0", "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
        {"3.0", "cvmfs/cvmfs cvmfs/cvmfs-libs cvmfs/cvmfs-fuse3 fuse/fuse3-libs"},
        {"two", NULL},
        {"2.x", NULL},
        {"2.13/../3", NULL},
    };
    const struct plan_request request = {.machine = machine_find("rhel8-x86_64"),
                                         .distribution = "none"};
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        auto_free char *got = describe(&request, cases[index].version);
        CHECK(same(got, cases[index].packages), "client %s: %s", cases[index].version,
              got ? got : "refused");
    }
}

static void a_native_tree_needs_a_configuration_only(void)
{
    static const struct {
        const char *distribution, *packages;
    } cases[] = {{"osg", "osg/cvmfs-config-osg"},
                 {"egi", "egi/cvmfs-config-egi"},
                 {"default", "default/cvmfs-config-default"},
                 {"none", ""}};
    for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
        const struct plan_request request = {.machine = machine_find("rhel9-x86_64"),
                                             .distribution = cases[index].distribution,
                                             .native = true};
        auto_free char *got = describe(&request, NULL);
        CHECK(same(got, cases[index].packages) && !plan_version_source(&request),
              "native %s: \"%s\"", cases[index].distribution, got ? got : "refused");
    }
}

static void what_is_not_made_is_said(void)
{
    struct error error = ERROR_INIT;
    struct plan plan;
    const struct plan_request request = {.machine = machine_find("rhel7-x86_64"),
                                         .distribution = "osg"};
    CHECK(plan_make(&request, table, "2.12.7", &plan, &error) == -ENOTSUP &&
              strstr(error.message, "osg is not made for rhel7-x86_64"),
          "%s", error.message);
}

int main(void)
{
    if (!CHECK(source_table_open(&table, NULL) == 0, "there is a table of sources"))
        return tap_done();
    every_distribution_has_its_packages();
    the_version_of_the_client_decides();
    a_native_tree_needs_a_configuration_only();
    what_is_not_made_is_said();
    source_table_close(table);
    return tap_done();
}
