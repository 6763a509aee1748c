/* makedist: makes a dist tree, or packs one. This file chooses; tree.c and pack.c do it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "packer/command.h"
#include "packer/companion.h"
#include "packer/machine.h"
#include "packer/pack.h"
#include "packer/progress.h"
#include "packer/stamp.h"
#include "packer/tree.h"
#include "payload/base/scope.h"

/* What callers of makedist expect. */
enum status { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

/* What must not travel: the state of the machine the tree was used on. */
static const char *const always_excluded[] = {
    TREE_NAME "/var/run/cvmfs/*", TREE_NAME "/var/lib/cvmfs/*",
    TREE_NAME "/cvmfs/*", /* repositories that are mounted now */
};

/* What goes into a bundle beside the tree: the first is what FILE starts. */
static const char *const standard_commands[] = {"cvmfsexec", "mountrepo", "umountrepo"};
static const char *const sing_commands[] = {"singcvmfs"};

struct commands {
    const char *const *names;
    size_t count;
};

static struct commands commands_of(bool sing)
{
    return sing ? (struct commands){sing_commands, 1} : (struct commands){standard_commands, 3};
}

/* The status for a wrong command line, and how to find the right one. */
static enum status usage_error(const struct error *error)
{
    (void)fprintf(stderr, "makedist: %s\nTry 'makedist --help'.\n", error->message);
    return STATUS_USAGE;
}

static enum status failure(const struct error *error)
{
    (void)fprintf(stderr, "makedist: %s\n", error->message);
    return STATUS_FAILED;
}

/* These lines are read by programs: glideinWMS takes the list of machine types from the third line
 * of what `makedist -m xxx` says. */
static enum status refuse_machine(const char *name)
{
    struct error error = ERROR_INIT;
    auto_text struct text names = TEXT_INIT;
    int result = machine_list(NULL, &names);
    if (result < 0) {
        (void)error_system(&error, result, "listing machine types");
        return failure(&error);
    }
    (void)fprintf(stderr,
                  "makedist: %s is not a supported machine type\nSupported types are:\n  %s\n",
                  name, names.bytes);
    return STATUS_FAILED;
}

/* The machine type asked for, or else that of the host. */
static enum status choose_machine(const struct command *command, const struct machine **machine)
{
    struct error error = ERROR_INIT;
    struct utsname host;
    if (uname(&host) < 0) {
        (void)error_system(&error, -errno, "asking for the architecture");
        return failure(&error);
    }
    auto_text struct text names = TEXT_INIT;
    int result = machine_list(host.machine, &names);
    if (result < 0) {
        (void)error_system(&error, result, "listing machine types");
        return failure(&error);
    }
    if (!command->machine) {
        if (machine_detect(machine, &error) == 0)
            return STATUS_DONE;
        (void)fprintf(stderr, "makedist: %s; choose one with -m: %s\n", error.message,
                      names.bytes ? names.bytes : "none is for this architecture");
        return STATUS_USAGE;
    }
    *machine = machine_find(command->machine); /* main has seen that there is one */
    if (*machine && strcmp((*machine)->architecture, host.machine) == 0)
        return STATUS_DONE;
    (void)fprintf(stderr,
                  "makedist: %s: the native client here is for another architecture; a native tree "
                  "on this host can be one of: %s\n",
                  command->machine, names.bytes ? names.bytes : "none");
    return STATUS_FAILED;
}

/* A tree whose commands are missing could not be packed, nor used: better to hear it at once. */
static int check_commands(const struct command *command, const char *directory, struct error *error)
{
    const struct commands commands = commands_of(command->sing);
    int result = 0;
    for (size_t index = 0; index < commands.count && result == 0; index++) {
        auto_text struct text path = TEXT_INIT;
        result = companion_find(directory, commands.names[index], &path, error);
    }
    return result;
}

/* Not having it is no failure: only cvmfsexec -m needs it, and may find one on the node. */
static int find_fuse2fs(const struct command *command, struct text *path, struct error *error)
{
    if (command->sing)
        return 0;
    int result = companion_find_on_system(TREE_FUSE2FS, path);
    if (result != -ENOENT)
        return result < 0 ? error_system(error, result, "looking for " TREE_FUSE2FS) : 0;
    if (!command->quiet)
        (void)fprintf(stderr, "makedist: without " TREE_FUSE2FS ", which this host does not have "
                              "(package " TREE_FUSE2FS "): cvmfsexec -m will need that of the "
                              "node\n");
    return 0;
}

/* `directory`: of this program; `place`: where dist is to stand. */
static enum status make_tree(const struct command *command, const char *directory,
                             const char *place)
{
    struct error error = ERROR_INIT;
    if (!command->native || strcmp(command->source, "none") != 0) {
        (void)error_set(&error, -EINVAL,
                        "this build makes native distributions only: use makedist -n none");
        return usage_error(&error);
    }
    const struct machine *machine = NULL;
    enum status status = choose_machine(command, &machine);
    if (status != STATUS_DONE)
        return status;
    auto_text struct text client = TEXT_INIT;
    auto_text struct text transfer = TEXT_INIT;
    int result = check_commands(command, directory, &error);
    if (result == 0)
        result = companion_find(directory, TREE_CLIENT, &client, &error);
    if (result == 0)
        result = companion_find(directory, TREE_TRANSFER, &transfer, &error);
    auto_text struct text fuse2fs = TEXT_INIT;
    if (result == 0)
        result = find_fuse2fs(command, &fuse2fs, &error);
    if (result < 0)
        return failure(&error);
    const struct tree_options options = {
        .directory = place,
        .client = client.bytes,
        .transfer = transfer.bytes,
        .fuse2fs = fuse2fs.bytes,
        .machine = machine,
        .sing = command->sing,
    };
    struct tree_result made;
    (void)umask(022); /* a tree is for everybody */
    result = tree_make(&options, &made, &error);
    if (result < 0)
        return failure(&error);
    char size[PROGRESS_SIZE_ROOM];
    if (!command->quiet)
        (void)fprintf(stderr,
                      "makedist: made %s/%s for %s: the native client, %s%zu libraries, %s\n",
                      place, TREE_NAME, machine->name, fuse2fs.bytes ? TREE_FUSE2FS ", " : "",
                      made.libraries, progress_size(made.bytes, size));
    return STATUS_DONE;
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
        .output = command->output,
        .disttype = stamp_disttype(command->sing),
        .machtype = stamp->machtype,
        .inputs = inputs,
        .input_count = input_count,
        .excludes = excludes,
        .exclude_count = count,
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
    (void)fprintf(stderr, "makedist: wrote %s for %s: %s, from %s in %llu entries\n",
                  command->output, stamp->machtype, progress_size(packed.file_bytes, file_size),
                  progress_size(packed.tree_bytes, tree_size), (unsigned long long)packed.entries);
    return 0;
}

static enum status pack_tree(const struct command *command, const char *directory,
                             const char *place)
{
    struct error error = ERROR_INIT;
    struct stamp stamp;
    auto_strings struct strings paths = STRINGS_INIT; /* stub, tree, commands */
    auto_text struct text tree = TEXT_INIT;
    if (text_printf(&tree, "%s/%s", place, TREE_NAME) < 0) {
        (void)error_system(&error, -ENOMEM, "packing");
        return failure(&error);
    }
    if (check_tree(command, tree.bytes, &stamp, &error) < 0)
        return failure(&error);
    const struct commands commands = commands_of(command->sing);
    auto_text struct text stub = TEXT_INIT;
    int result = companion_find(directory, "stub", &stub, &error);
    for (size_t index = 0; index < commands.count && result == 0; index++) {
        auto_text struct text path = TEXT_INIT;
        result = companion_find(directory, commands.names[index], &path, &error);
        if (result == 0 && strings_take(&paths, text_steal(&path)) < 0)
            result = error_system(&error, -ENOMEM, "packing");
    }
    if (result < 0)
        return failure(&error);
    struct pack_input inputs[4] = {{.path = tree.bytes, .name = TREE_NAME}};
    for (size_t index = 0; index < paths.count; index++)
        inputs[index + 1] =
            (struct pack_input){.path = paths.items[index], .name = commands.names[index]};
    result = pack_inputs(command, stub.bytes, &stamp, inputs, paths.count + 1, &error);
    return result < 0 ? failure(&error) : STATUS_DONE;
}

static enum status print(const char *words)
{
    if (fputs(words, stdout) == EOF || fflush(stdout) == EOF) {
        struct error error = ERROR_INIT;
        (void)error_system(&error, -errno, "writing to standard output");
        return failure(&error);
    }
    return STATUS_DONE;
}

int main(int count, char **arguments)
{
    struct error error = ERROR_INIT;
    auto_command struct command command = COMMAND_INIT;
    int result = command_read(count, arguments, &command, &error);
    if (command.machine && !machine_find(command.machine)) /* comes first, whatever else is wrong */
        return (int)refuse_machine(command.machine);
    if (result < 0)
        return (int)usage_error(&error);
    if (command.help)
        return (int)print(command_help);
    if (command.version)
        return (int)print("makedist " CVMFSEXEC_VERSION "\n");
    auto_text struct text directory = TEXT_INIT;
    auto_text struct text place = TEXT_INIT;
    if (companion_directory(&directory, &error) < 0 ||
        companion_workplace(directory.bytes, &place, &error) < 0)
        return (int)failure(&error);
    return (int)(command.output ? pack_tree(&command, directory.bytes, place.bytes)
                                : make_tree(&command, directory.bytes, place.bytes));
}
