/* Round by round: what is missing, which packages have it, their libraries into the tree; until
 * nothing is missing, or a round brings nothing.
 *
 * Of such a package only libraries are taken, those that are asked for: they are unpacked beside
 * the tree's own directories, and moved from there. */
#include "packer/target_closure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/links.h"
#include "packer/package.h"
#include "packer/target_objects.h"
#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"

#define SHELF "lib.incoming" /* in the stage, for what is unpacked */
#define NAMED_LACKS 8        /* in a message */

/* What glibc loads by itself, with no file naming it: the unwinder, when a thread is cancelled, and
 * what answers questions about users and hosts. Taken where a package has them. */
static const char *const unnamed_libraries[] = {"libgcc_s.so.1", "libnss_files.so.2",
                                                "libnss_dns.so.2", "libresolv.so.2"};

struct closing {
    const struct target_closure_options *options;
    const struct stage *stage;
    struct package_set *set;
    struct strings tried; /* files of packages that were unpacked for libraries already */
    struct error *error;
};

static int out_of_memory(const struct closing *closing)
{
    return error_system(closing->error, -ENOMEM, "completing the tree");
}

/* Adds the package to the set, unless it was used before; `*new` says which. */
static int want_package(struct closing *closing, const struct repodata_package *package)
{
    if (strings_contain(&closing->tried, package->file))
        return 0;
    auto_resolved struct resolved resolved = RESOLVED_INIT;
    int result = resolver_describe(closing->options->resolver, package, &resolved);
    if (result == 0)
        result = strings_add(&closing->tried, package->file);
    if (result == 0)
        result = package_set_add(closing->set, &resolved);
    return result < 0 ? out_of_memory(closing) : 0;
}

static int want_provider(struct closing *closing, const char *capability)
{
    auto_repodata_packages struct repodata_packages providers = REPODATA_PACKAGES_INIT;
    if (repodata_providers(resolver_repodata(closing->options->resolver), capability, &providers) <
        0)
        return out_of_memory(closing);
    return providers.count > 0 ? want_package(closing, &providers.items[0]) : 0;
}

static int want_providers(struct closing *closing, const struct target_lacks *lacks)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < lacks->count; index++) {
        auto_text struct text capability = TEXT_INIT;
        if (target_lack_capability(&lacks->items[index], &capability) < 0)
            return out_of_memory(closing);
        result = want_provider(closing, capability.bytes);
    }
    return result;
}

/* Libraries of a package lie in one of these, whatever else it has. */
static bool is_library(void *context, const char *path)
{
    (void)context;
    static const char *const directories[] = {"usr/lib64/", "lib64/", "usr/lib/", "lib/"};
    for (size_t index = 0; index < sizeof directories / sizeof directories[0]; index++) {
        const char *name = path + strlen(directories[index]);
        if (string_starts_with(path, directories[index]) && !strchr(name, '/') &&
            strstr(name, ".so"))
            return true;
    }
    return false;
}

/* Takes the library `name` from the shelf into the tree. 0, also when it is not there. */
static int take_library(const struct closing *closing, int shelf, const char *name)
{
    static const char *const directories[] = {"usr/lib64", "lib64", "usr/lib", "lib"};
    for (size_t index = 0; index < sizeof directories / sizeof directories[0]; index++) {
        auto_text struct text from = TEXT_INIT;
        auto_text struct text to = TEXT_INIT;
        if (text_printf(&from, "%s/%s", directories[index], name) < 0 ||
            text_printf(&to, "%s/%s", target_library_directories[0], name) < 0)
            return out_of_memory(closing);
        auto_fd int source = openat(shelf, from.bytes, O_RDONLY | O_CLOEXEC);
        if (source < 0 && (errno == ENOENT || errno == ENOTDIR))
            continue;
        struct stat status;
        if (source < 0 || fstat(source, &status) < 0)
            return error_system(closing->error, -errno, "reading %s", name);
        if (!S_ISREG(status.st_mode))
            continue;
        auto_text struct text content = TEXT_INIT;
        int result = file_load_fd(source, (size_t)1 << 30, &content);
        if (result == 0)
            result = file_replace(closing->stage->fd, to.bytes, content.bytes, content.length,
                                  (status.st_mode & 0777) | 0644);
        return result < 0 ? error_system(closing->error, result, "writing %s", to.bytes) : 0;
    }
    return 0;
}

static int take_libraries(const struct closing *closing, const struct target_lacks *lacks)
{
    auto_fd int shelf =
        openat(closing->stage->fd, SHELF, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (shelf < 0)
        return error_system(closing->error, -errno, "completing the tree");
    int result = links_make_relative(shelf, closing->error);
    for (size_t index = 0; result == 0 && index < lacks->count; index++)
        result = take_library(closing, shelf, lacks->items[index].library);
    const size_t unnamed = sizeof unnamed_libraries / sizeof unnamed_libraries[0];
    for (size_t index = 0; result == 0 && index < unnamed; index++)
        result = take_library(closing, shelf, unnamed_libraries[index]);
    return result;
}

/* Downloads the packages from number `first` on, checks them, puts their libraries on the shelf. */
static int unpack_packages(struct closing *closing, size_t first)
{
    const struct package_unpacking libraries = {.wanted = is_library};
    struct package_set *set = closing->set;
    int result = package_set_download(set, first, closing->options->session, closing->error);
    struct stage shelf = *closing->stage;
    auto_fd int directory = -1;
    if (result == 0) {
        result = directory_make(closing->stage->fd, SHELF, 0755);
        if (result < 0)
            return error_system(closing->error, result, "completing the tree");
        directory = openat(closing->stage->fd, SHELF, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
            return error_system(closing->error, -errno, "completing the tree");
        shelf.fd = directory;
    }
    for (size_t index = first; result == 0 && index < set->count; index++) {
        result = closing->options->check(closing->options->check_context, &set->resolved[index],
                                         &set->downloads[index], closing->error);
        if (result == 0)
            result = package_unpack(set->downloads[index].fd, set->resolved[index].label, &shelf,
                                    &libraries, closing->error);
    }
    return result;
}

static int name_lacks(const struct target_lacks *lacks, size_t most, struct text *names)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < lacks->count && index < most; index++) {
        const struct target_lack *lack = &lacks->items[index];
        result = text_printf(names, "%s%s%s%s (for %s)", index > 0 ? ", " : "", lack->library,
                             lack->version ? " with " : "", lack->version ? lack->version : "",
                             lack->user);
    }
    if (result == 0 && lacks->count > most)
        result = text_printf(names, " and %zu more", lacks->count - most);
    return result;
}

static int give_up(const struct closing *closing, const struct target_lacks *lacks)
{
    auto_text struct text names = TEXT_INIT;
    if (name_lacks(lacks, NAMED_LACKS, &names) < 0)
        return out_of_memory(closing);
    return error_set(closing->error, -ENOENT,
                     "libraries are missing, and no package for %s has them: %s; --no-closure "
                     "leaves them to the node",
                     closing->options->machine->name, names.bytes);
}

/* What is missing now: the names in `lacks` belong to `objects`. */
static int find_lacks(const struct closing *closing, struct target_objects *objects,
                      struct target_lacks *lacks)
{
    const int tree = closing->stage->fd;
    int result = target_objects_find(tree, closing->options->machine, objects, closing->error);
    if (result == 0 && target_objects_lacks(objects, tree, lacks) < 0)
        result = out_of_memory(closing);
    return result;
}

/* One round, with `*missing` lacks before it and after it; 0 of them is the end. */
static int complete(struct closing *closing, size_t *missing)
{
    auto_target_objects struct target_objects objects = TARGET_OBJECTS_INIT;
    auto_target_lacks struct target_lacks lacks = TARGET_LACKS_INIT;
    int result = find_lacks(closing, &objects, &lacks);
    const size_t before = *missing;
    *missing = lacks.count;
    if (result < 0 || lacks.count == 0)
        return result;
    const size_t first = closing->set->count;
    result = want_providers(closing, &lacks);
    const bool news = closing->set->count > first;
    if (result == 0 && !news && lacks.count >= before)
        return give_up(closing, &lacks);
    if (result == 0 && news)
        result = unpack_packages(closing, first);
    return result < 0 || closing->tried.count == 0 ? result : take_libraries(closing, &lacks);
}

int target_closure_fill(const struct target_closure_options *options, const struct stage *stage,
                        struct package_set *set, struct error *error)
{
    struct closing closing = {.options = options, .stage = stage, .set = set, .error = error};
    size_t missing = SIZE_MAX;
    int result = 0;
    while (result == 0 && missing > 0)
        result = complete(&closing, &missing);
    strings_free(&closing.tried);
    int removed = directory_remove(stage->fd, SHELF);
    return result == 0 && removed < 0 ? error_system(error, removed, "completing the tree")
                                      : result;
}

int target_closure_compare(const struct machine *machine, const struct stage *stage,
                           struct text *names, struct error *error)
{
    const struct target_closure_options options = {.machine = machine};
    const struct closing closing = {.options = &options, .stage = stage, .error = error};
    auto_target_objects struct target_objects objects = TARGET_OBJECTS_INIT;
    auto_target_lacks struct target_lacks lacks = TARGET_LACKS_INIT;
    int result = find_lacks(&closing, &objects, &lacks);
    if (result < 0)
        return result;
    size_t kept = 0;
    for (size_t index = 0; index < lacks.count; index++)
        if (!target_system_has(lacks.items[index].library))
            lacks.items[kept++] = lacks.items[index];
    lacks.count = kept;
    result = name_lacks(&lacks, SIZE_MAX, names);
    return result < 0 ? error_system(error, result, "comparing the tree") : 0;
}
