/* Round by round: what is lacking; libraries that have it, from packages that are there already; if
 * none has, further packages. Until nothing is lacking, or nobody has it.
 *
 * What packages say they have decides which of them are tried, what their libraries have decides
 * what is taken. A library is taken for all of its users: it must have all versions they need. */
#include "packer/target_closure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/target_lacks.h"
#include "packer/target_objects.h"
#include "packer/target_providers.h"
#include "packer/target_shelf.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"

#define LIBRARY_LIST "usr/share/cvmfsexec/libraries"
#define LARGEST_LIBRARY ((size_t)1 << 30)
#define NAMED_LACKS 8 /* in a message */

/* The version that the parts of glibc use among themselves: they must be of one build. */
#define GLIBC_INTERNAL "GLIBC_PRIVATE"

/* What this glibc asks for users and hosts, with no file naming it; in newer ones it is part of
 * libc. Taken where the package of libc has it. */
static const char *const name_services[] = {"libnss_files.so.2", "libnss_dns.so.2",
                                            "libresolv.so.2"};

/* A library that was added to the tree. */
struct taken {
    char *library;
    size_t package; /* number on the shelf */
};

struct closing {
    const struct target_closure_options *options;
    const struct stage *stage;
    struct package_set *set;
    struct target_shelf shelf;
    struct strings tried; /* files of the packages on the shelf */
    struct taken *taken;  /* each library as often as it was taken; the last one counts */
    size_t taken_count;
    struct error *error;
};

static int out_of_memory(const struct closing *closing)
{
    return error_system(closing->error, -ENOMEM, "completing the tree");
}

static bool was_taken(const struct closing *closing, const char *library, size_t package)
{
    for (size_t index = 0; index < closing->taken_count; index++)
        if (closing->taken[index].package == package &&
            strcmp(closing->taken[index].library, library) == 0)
            return true;
    return false;
}

static int note_taken(struct closing *closing, const char *library, size_t package)
{
    struct taken *grown = reallocarray(closing->taken, closing->taken_count + 1, sizeof *grown);
    if (!grown)
        return out_of_memory(closing);
    closing->taken = grown;
    char *copy = strdup(library);
    if (!copy)
        return out_of_memory(closing);
    grown[closing->taken_count++] = (struct taken){.library = copy, .package = package};
    return 0;
}

/* Copies a library into the first of the library directories, under the name it is asked for. */
static int put_library(const struct closing *closing, int source, const char *name, bool loader)
{
    auto_text struct text path = TEXT_INIT;
    auto_text struct text content = TEXT_INIT;
    struct stat status;
    if (text_printf(&path, "%s/%s", target_library_directories[0], name) < 0)
        return out_of_memory(closing);
    int result = fstat(source, &status) < 0 ? -errno : 0;
    if (result == 0 && lseek(source, 0, SEEK_SET) < 0)
        result = -errno;
    if (result == 0)
        result = file_load_fd(source, LARGEST_LIBRARY, &content);
    if (result == 0) /* the loader is started as a program */
        result = file_replace(closing->stage->fd, path.bytes, content.bytes, content.length,
                              loader ? 0755 : 0644);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, status.st_mtim};
    if (result == 0 && utimensat(closing->stage->fd, path.bytes, times, 0) < 0)
        result = -errno;
    return result < 0 ? error_system(closing->error, result, "writing %s", path.bytes) : 0;
}

/* Whether this file can be the library for all who want it. 1, 0, or a negative errno. */
static int is_suitable(const struct closing *closing, const struct target_objects *objects, int fd,
                       const char *name)
{
    auto_dynamic struct dynamic dynamic = DYNAMIC_INIT;
    auto_strings struct strings versions = STRINGS_INIT;
    struct error ignored = ERROR_INIT;
    int result = dynamic_load_fd(fd, &dynamic, &ignored);
    if (result == -ENOMEM)
        return out_of_memory(closing);
    if (result < 0 || !target_object_fits(&dynamic, closing->options->machine))
        return 0;
    if (target_library_versions(objects, closing->stage->fd, name, &versions) < 0)
        return out_of_memory(closing);
    for (size_t index = 0; index < versions.count; index++)
        if (!target_library_defines(&dynamic, versions.items[index]))
            return 0;
    return 1;
}

/* Takes a library from a package of the shelf. 1; 0 when the package has none that will do, or it
 * has been taken from there already, in vain; or a negative errno. */
static int take_library(struct closing *closing, const struct target_objects *objects,
                        const char *name, size_t package)
{
    if (was_taken(closing, name, package))
        return 0;
    auto_fd int fd = target_shelf_find(&closing->shelf, package, name);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return error_system(closing->error, fd, "looking for %s in %s", name,
                            closing->shelf.packages[package].label);
    int result = is_suitable(closing, objects, fd, name);
    if (result <= 0)
        return result;
    result = put_library(closing, fd, name, target_library_is_loader(objects, name));
    if (result == 0)
        result = note_taken(closing, name, package);
    return result < 0 ? result : 1;
}

/* Takes it from the first package that has it. 1, 0 or a negative errno. */
static int take_from_any(struct closing *closing, const struct target_objects *objects,
                         const char *name)
{
    int result = 0;
    for (size_t package = 0; result == 0 && package < closing->shelf.count; package++)
        result = take_library(closing, objects, name, package);
    return result;
}

/* The last package that a library was taken from, or SIZE_MAX. */
static size_t origin_of(const struct closing *closing, const char *library)
{
    for (size_t index = closing->taken_count; index > 0; index--)
        if (strcmp(closing->taken[index - 1].library, library) == 0)
            return closing->taken[index - 1].package;
    return SIZE_MAX;
}

/* Takes from the package of libc what belongs to it. 1 when there was any, 0, or a negative
 * errno. */
static int complete_glibc(struct closing *closing, const struct target_objects *objects)
{
    const size_t origin = origin_of(closing, "libc.so.6");
    if (origin == SIZE_MAX)
        return 0;
    int result = 0;
    int any = 0;
    for (size_t index = 0; result >= 0 && index < sizeof name_services / sizeof *name_services;
         index++) {
        result = take_library(closing, objects, name_services[index], origin);
        any |= result;
    }
    for (size_t index = 0; result >= 0 && index < objects->count; index++) {
        const struct dynamic *dynamic = &objects->items[index].dynamic;
        for (size_t need = 0; result >= 0 && need < dynamic->needed.count; need++) {
            const char *name = dynamic->needed.items[need];
            const struct target_object *library = target_library(objects, closing->stage->fd, name);
            if (!library || origin_of(closing, name) == origin ||
                !strings_contain(&library->dynamic.defined, GLIBC_INTERNAL))
                continue;
            result = take_library(closing, objects, name, origin);
            any |= result;
        }
    }
    return result < 0 ? result : any;
}

static bool is_listed_before(const struct target_lacks *lacks, size_t index)
{
    for (size_t other = 0; other < index; other++)
        if (strcmp(lacks->items[other].library, lacks->items[index].library) == 0)
            return true;
    return false;
}

/* Takes what is lacking from the shelf. 1 when there was any of it, 0, or a negative errno. */
static int take_libraries(struct closing *closing, const struct target_objects *objects,
                          const struct target_lacks *lacks)
{
    int result = 0;
    int any = 0;
    for (size_t index = 0; result >= 0 && index < lacks->count; index++) {
        const char *name = lacks->items[index].library;
        if (strchr(name, '/') || is_listed_before(lacks, index))
            continue;
        result = take_from_any(closing, objects, name);
        any |= result;
    }
    return result < 0 ? result : any;
}

static int want_packages(struct closing *closing, const struct repodata_packages *packages)
{
    int result = 0;
    for (size_t index = 0; result == 0 && index < packages->count; index++) {
        auto_resolved struct resolved resolved = RESOLVED_INIT;
        result = resolver_describe(closing->options->resolver, &packages->items[index], &resolved);
        if (result == 0)
            result = strings_add(&closing->tried, packages->items[index].file);
        if (result == 0)
            result = package_set_add(closing->set, &resolved);
    }
    return result < 0 ? out_of_memory(closing) : 0;
}

/* Downloads the packages of the set from number `first` on, checks them, puts their libraries on
 * the shelf. */
static int shelve_packages(struct closing *closing, size_t first)
{
    struct package_set *set = closing->set;
    int result = package_set_download(set, first, closing->options->session, closing->error);
    for (size_t index = first; result == 0 && index < set->count; index++) {
        result = closing->options->check(closing->options->check_context, &set->resolved[index],
                                         &set->downloads[index], closing->error);
        if (result == 0)
            result = target_shelf_add(&closing->shelf, set->downloads[index].fd,
                                      set->resolved[index].label, closing->error);
    }
    return result;
}

static int give_up(const struct closing *closing, const struct target_lacks *lacks)
{
    auto_text struct text names = TEXT_INIT;
    if (target_lacks_describe(lacks, NAMED_LACKS, &names) < 0)
        return out_of_memory(closing);
    return error_set(closing->error, -ENOENT,
                     "no package for %s has %s; with --no-closure, the nodes must have it",
                     closing->options->machine->name, names.bytes);
}

/* Gets packages that have more of it. 1; 0 when none has, but nothing of it must be; or a negative
 * errno. */
static int get_packages(struct closing *closing, const struct target_lacks *lacks)
{
    auto_repodata_packages struct repodata_packages packages = REPODATA_PACKAGES_INIT;
    const size_t first = closing->set->count;
    if (target_providers_choose(resolver_repodata(closing->options->resolver), lacks,
                                &closing->tried, &packages) < 0)
        return out_of_memory(closing);
    if (packages.count == 0)
        return target_lacks_are_optional(lacks) ? 0 : give_up(closing, lacks);
    int result = want_packages(closing, &packages);
    if (result == 0)
        result = shelve_packages(closing, first);
    return result < 0 ? result : 1;
}

/* One round. 1 when there has to be another, 0 when the tree is complete, or a negative errno. */
static int complete(struct closing *closing)
{
    const int tree = closing->stage->fd;
    auto_target_objects struct target_objects objects = TARGET_OBJECTS_INIT;
    auto_target_lacks struct target_lacks lacks = TARGET_LACKS_INIT;
    int result = stage_interrupted(closing->stage, closing->error);
    if (result == 0)
        result = target_objects_find(tree, TARGET_SHELF, closing->options->machine, &objects,
                                     closing->error);
    if (result < 0)
        return result;
    if (target_lacks_find(&objects, tree, &lacks) < 0 ||
        target_lacks_add_unnamed(&objects, tree, &lacks) < 0)
        return out_of_memory(closing);
    result = take_libraries(closing, &objects, &lacks);
    if (result == 0)
        result = complete_glibc(closing, &objects);
    if (result == 0 && lacks.count > 0)
        result = get_packages(closing, &lacks);
    return result;
}

static int compare_taken(const void *left, const void *right)
{
    const struct taken *one = left;
    const struct taken *other = right;
    return strcmp(one->library, other->library);
}

/* As native.c's: a line for each, the library and where it is from. */
static int write_list(struct closing *closing)
{
    auto_text struct text list = TEXT_INIT;
    int result = 0;
    for (size_t index = 0; index < closing->taken_count; index++)
        closing->taken[index].package = origin_of(closing, closing->taken[index].library);
    if (closing->taken_count == 0)
        return 0;
    qsort(closing->taken, closing->taken_count, sizeof *closing->taken, compare_taken);
    for (size_t index = 0; result == 0 && index < closing->taken_count; index++) {
        const struct taken *taken = &closing->taken[index];
        if (index == 0 || strcmp(taken[-1].library, taken->library) != 0)
            result = text_printf(&list, "%s %s\n", taken->library,
                                 closing->shelf.packages[taken->package].label);
    }
    if (result == 0)
        result = directory_make(closing->stage->fd, "usr/share/cvmfsexec", 0755);
    if (result == 0)
        result = file_replace(closing->stage->fd, LIBRARY_LIST, list.bytes, list.length, 0644);
    return result < 0 ? error_system(closing->error, result, "writing " LIBRARY_LIST) : 0;
}

int target_closure_fill(const struct target_closure_options *options, const struct stage *stage,
                        struct package_set *set, struct error *error)
{
    struct closing closing = {.options = options,
                              .stage = stage,
                              .set = set,
                              .shelf = target_shelf_begin(stage),
                              .error = error};
    int result;
    do
        result = complete(&closing);
    while (result > 0);
    if (result == 0)
        result = write_list(&closing);
    for (size_t index = 0; index < closing.taken_count; index++)
        free(closing.taken[index].library);
    free(closing.taken);
    strings_free(&closing.tried);
    int removed = target_shelf_end(&closing.shelf);
    return result == 0 && removed < 0 ? error_system(error, removed, "completing the tree")
                                      : result;
}

int target_closure_compare(const struct machine *machine, const struct stage *stage,
                           struct text *names, struct error *error)
{
    auto_target_objects struct target_objects objects = TARGET_OBJECTS_INIT;
    auto_target_lacks struct target_lacks lacks = TARGET_LACKS_INIT;
    int result = target_objects_find(stage->fd, NULL, machine, &objects, error);
    if (result < 0)
        return result;
    result = target_lacks_find(&objects, stage->fd, &lacks);
    size_t kept = 0;
    for (size_t index = 0; index < lacks.count; index++)
        if (!target_system_has(lacks.items[index].library))
            lacks.items[kept++] = lacks.items[index];
    lacks.count = kept;
    if (result == 0)
        result = target_lacks_describe(&lacks, SIZE_MAX, names);
    return result < 0 ? error_system(error, result, "comparing the tree") : 0;
}
