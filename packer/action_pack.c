/* The tree, the commands and the stub, which become one file. How they do is pack.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packer/actions.h"
#include "packer/cache_state.h"
#include "packer/companion.h"
#include "packer/machine.h"
#include "packer/pack.h"
#include "packer/progress.h"
#include "packer/stamp.h"
#include "packer/tree.h"
#include "payload/base/scope.h"

#define CACHE_NAME TREE_NAME "/var/lib/cvmfs"

/* What must not travel: the state of the machine the tree was used on. */
static const char *const always_excluded[] = {
    TREE_NAME "/var/run/cvmfs/*", TREE_NAME "/cvmfs/*", /* repositories that are mounted now */
};

static bool is_in_cache(const char *name)
{
    const size_t length = strlen(CACHE_NAME);
    return strncmp(name, CACHE_NAME, length) == 0 && name[length] == '/';
}

static bool leaves_cache(const char *name, mode_t mode)
{
    (void)mode;
    return is_in_cache(name);
}

static bool leaves_state_of_cache(const char *name, mode_t mode)
{
    return is_in_cache(name) && !cache_is_content(name + strlen(CACHE_NAME) + 1, mode);
}

/* A link is packed as such, and would be one to nowhere. */
static int check_cache(const char *tree, struct error *error)
{
    struct stat status;
    auto_text struct text path = TEXT_INIT;
    if (text_printf(&path, "%s%s", tree, CACHE_NAME + strlen(TREE_NAME)) < 0)
        return error_system(error, -ENOMEM, "packing");
    if (lstat(path.bytes, &status) < 0)
        return error_system(error, -errno, "looking for the cache %s", path.bytes);
    return S_ISDIR(status.st_mode) ? 0
                                   : error_set(error, -ENOTDIR,
                                               "%s is no directory: a cache elsewhere cannot be "
                                               "packed along",
                                               path.bytes);
}

/* Reads the stamp of the tree and holds it against the command line. */
static int check_tree(const struct command *command, const char *path, struct stamp *stamp,
                      struct error *error)
{
    auto_fd int tree = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree < 0 && errno == ENOENT)
        return error_set(error, -ENOENT, "%s is not there: make it first", path);
    if (tree < 0)
        return error_system(error, -errno, "opening %s", path);
    int result = stamp_read(tree, stamp, error);
    if (result < 0)
        return error_prefix(error, "%s was not made by makedist", path);
    if (command->sing && !stamp->sing)
        return error_set(error, -EINVAL, "%s was made without -s, and cannot be packed with it",
                         path);
    if (command->machine && strcmp(command->machine, stamp->machtype) != 0)
        return error_set(error, -EINVAL, "%s is for %s, not for %s", path, stamp->machtype,
                         command->machine);
    return 0;
}

static void show_packing(void *context, uint64_t done, uint64_t total)
{
    progress_show(context, done, total);
}

static int pack_inputs(const struct command *command, const char *stub, const struct stamp *stamp,
                       const struct pack_input *inputs, size_t input_count, struct error *error)
{
    const size_t always = sizeof always_excluded / sizeof always_excluded[0];
    const size_t count = always + command->exclude.count;
    auto_free const char **excludes = calloc(count, sizeof *excludes);
    if (!excludes)
        return error_system(error, -ENOMEM, "packing");
    for (size_t index = 0; index < count; index++)
        excludes[index] =
            index < always ? always_excluded[index] : command->exclude.items[index - always];
    struct progress progress = progress_begin("packing", command->quiet);
    const struct pack_options options = {
        .stub = stub,
        .output = command->file,
        .disttype = stamp_disttype(command->sing),
        .machtype = stamp->machtype,
        .inputs = inputs,
        .input_count = input_count,
        .excludes = excludes,
        .exclude_count = count,
        .leaves_behind = command->with_cache ? leaves_state_of_cache : leaves_cache,
        .level = command->level,
        .threads = command->threads,
        .progress = show_packing,
        .progress_context = &progress,
    };
    struct pack_result packed;
    int result = pack_bundle(&options, &packed, error);
    progress_end(&progress);
    if (result < 0 || command->quiet)
        return result;
    char file_size[PROGRESS_SIZE_ROOM], tree_size[PROGRESS_SIZE_ROOM];
    (void)fprintf(stderr, "makedist: wrote %s for %s: %s, from %s in %llu entries\n", command->file,
                  stamp->machtype, progress_size(packed.file_bytes, file_size),
                  progress_size(packed.tree_bytes, tree_size), (unsigned long long)packed.entries);
    return 0;
}

enum status action_pack(const struct command *command, const char *directory, const char *place)
{
    struct error error = ERROR_INIT;
    struct stamp stamp;
    auto_strings struct strings paths = STRINGS_INIT; /* stub, tree, commands */
    auto_text struct text tree = TEXT_INIT;
    if (text_printf(&tree, "%s/%s", place, TREE_NAME) < 0) {
        (void)error_system(&error, -ENOMEM, "packing");
        return status_failed(&error);
    }
    if (check_tree(command, tree.bytes, &stamp, &error) < 0)
        return status_failed(&error);
    if (command->with_cache && check_cache(tree.bytes, &error) < 0)
        return status_failed(&error);
    const struct companion_commands commands = companion_commands(command->sing);
    auto_text struct text stub = TEXT_INIT;
    const struct machine *machine = machine_find(stamp.machtype);
    int result = machine ? companion_find(directory, machine->architecture, "stub", &stub, &error)
                         : error_set(&error, -ENOTSUP, "%s is for %s, which is no machine type",
                                     tree.bytes, stamp.machtype);
    for (size_t index = 0; index < commands.count && result == 0; index++) {
        auto_text struct text path = TEXT_INIT;
        result =
            companion_find(directory, machine->architecture, commands.names[index], &path, &error);
        if (result == 0 && strings_take(&paths, text_steal(&path)) < 0)
            result = error_system(&error, -ENOMEM, "packing");
    }
    if (result < 0)
        return status_failed(&error);
    struct pack_input inputs[1 + COMPANION_COMMANDS_MAX] = {
        {.path = tree.bytes, .name = TREE_NAME}};
    for (size_t index = 0; index < paths.count; index++)
        inputs[index + 1] =
            (struct pack_input){.path = paths.items[index], .name = commands.names[index]};
    result = pack_inputs(command, stub.bytes, &stamp, inputs, paths.count + 1, &error);
    return result < 0 ? status_failed(&error) : STATUS_DONE;
}
