/* Which machine, which client, which configuration: and then a tree of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "packer/actions.h"
#include "packer/companion.h"
#include "packer/distribution.h"
#include "packer/native.h"
#include "packer/progress.h"
#include "packer/tree.h"
#include "payload/base/scope.h"

/* What fills the tree. */
struct filling {
    struct distribution *distribution;    /* NULL: no packages */
    const struct native_programs *native; /* NULL: the packages have the client */
    struct native_result copied;
};

/* The machine type asked for, or else that of the host. */
static enum status choose_machine(const struct command *command, const struct machine **machine)
{
    struct error error = ERROR_INIT;
    struct utsname host;
    if (uname(&host) < 0) {
        (void)error_system(&error, -errno, "asking for the architecture");
        return status_failed(&error);
    }
    auto_text struct text names = TEXT_INIT;
    int result = machine_list(command->native ? host.machine : NULL, &names);
    if (result < 0) {
        (void)error_system(&error, result, "listing machine types");
        return status_failed(&error);
    }
    if (!command->machine) {
        if (machine_detect(machine, &error) == 0)
            return STATUS_DONE;
        (void)fprintf(stderr, "makedist: %s; choose one with -m: %s\n", error.message,
                      names.bytes ? names.bytes : "none is for this architecture");
        return STATUS_USAGE;
    }
    *machine = machine_find(command->machine); /* main has seen that there is one */
    return STATUS_DONE;
}

/* A tree whose commands are missing could not be packed, nor used: better to hear it at once. But
 * what other architectures need may be elsewhere, and a tree of packages can be taken there. */
static int check_commands(const struct command *command, const char *directory,
                          const struct machine *machine, struct error *error)
{
    const struct companion_commands commands = companion_commands(command->sing);
    int result = 0;
    for (size_t index = 0; index < commands.count && result == 0; index++) {
        auto_text struct text path = TEXT_INIT;
        result =
            companion_find(directory, machine->architecture, commands.names[index], &path, error);
    }
    if (result != -ENOENT || command->native || companion_is_native(machine->architecture))
        return result;
    if (!command->quiet)
        (void)fprintf(stderr, "makedist: %s cannot be packed here: %s\n", TREE_NAME,
                      error->message);
    return 0;
}

/* Not having it is no failure: only cvmfsexec -m needs it, and may find one on the node. */
static int find_fuse2fs(const struct command *command, const char *directory,
                        const struct machine *machine, struct text *path, struct error *error)
{
    if (command->sing)
        return 0;
    const bool native = companion_is_native(machine->architecture);
    int result = native ? companion_find_on_system(NATIVE_FUSE2FS, path)
                        : companion_find(directory, machine->architecture, NATIVE_FUSE2FS, path,
                                         &(struct error)ERROR_INIT);
    if (result != -ENOENT)
        return result < 0 ? error_system(error, result, "looking for " NATIVE_FUSE2FS) : 0;
    if (!command->quiet)
        (void)fprintf(stderr,
                      "makedist: without " NATIVE_FUSE2FS ", which this host does not have%s%s: "
                      "cvmfsexec -m will need that of the node\n",
                      native ? " (package " NATIVE_FUSE2FS ")" : " for ",
                      native ? "" : machine->architecture);
    return 0;
}

/* Libraries for another architecture come with its client; where they do not, packages for it may
 * have put them where this system has such libraries. */
static int find_libraries(const char *directory, const struct machine *machine, struct text *path,
                          struct error *error)
{
    if (companion_is_native(machine->architecture))
        return 0;
    int result = companion_find(directory, machine->architecture, NATIVE_LIBRARIES, path,
                                &(struct error)ERROR_INIT);
    return result < 0 && result != -ENOENT
               ? error_system(error, result, "looking for the libraries of %s", machine->name)
               : 0;
}

static int fill(void *context, const struct stage *stage, struct error *error)
{
    struct filling *filling = context;
    int result = 0;
    if (filling->native)
        result = native_fill(filling->native, stage, &filling->copied, error);
    if (result == 0 && filling->distribution)
        result = distribution_fill(filling->distribution, stage, error);
    return result;
}

static void say_what_was_made(const struct command *command, const char *place,
                              const struct machine *machine, const struct filling *filling)
{
    if (command->quiet)
        return;
    (void)fprintf(stderr, "makedist: made %s/%s for %s:", place, TREE_NAME, machine->name);
    char size[PROGRESS_SIZE_ROOM];
    if (filling->native)
        (void)fprintf(stderr, " the native client, %s%zu libraries, %s",
                      filling->native->fuse2fs ? NATIVE_FUSE2FS ", " : "",
                      filling->copied.libraries, progress_size(filling->copied.bytes, size));
    const struct package_set *packages =
        filling->distribution ? distribution_packages(filling->distribution) : NULL;
    for (size_t index = 0; packages && index < packages->count; index++)
        (void)fprintf(stderr, "%s %s", index > 0 || filling->native ? "," : "",
                      packages->resolved[index].label);
    (void)fprintf(stderr, "\n");
}

static int make_tree(const struct command *command, const char *place,
                     const struct machine *machine, struct filling *filling, struct error *error)
{
    const struct tree_options options = {
        .directory = place,
        .machine = machine,
        .distribution = command->source,
        .sing = command->sing,
        .fill = fill,
        .fill_context = filling,
    };
    (void)umask(022); /* a tree is for everybody */
    int result = tree_make(&options, error);
    if (result == 0)
        say_what_was_made(command, place, machine, filling);
    return result;
}

/* The client of this build, if it is wanted; then the tree. */
static int make_with_client(const struct command *command, const char *directory, const char *place,
                            const struct machine *machine, struct distribution *distribution,
                            struct error *error)
{
    auto_text struct text client = TEXT_INIT;
    auto_text struct text transfer = TEXT_INIT;
    auto_text struct text fuse2fs = TEXT_INIT;
    auto_text struct text libraries = TEXT_INIT;
    struct filling filling = {.distribution = distribution};
    if (!command->native)
        return make_tree(command, place, machine, &filling, error);
    const char *architecture = machine->architecture;
    int result = companion_find(directory, architecture, NATIVE_CLIENT, &client, error);
    if (result == 0)
        result = companion_find(directory, architecture, NATIVE_TRANSFER, &transfer, error);
    if (result == 0)
        result = find_fuse2fs(command, directory, machine, &fuse2fs, error);
    if (result == 0)
        result = find_libraries(directory, machine, &libraries, error);
    if (result < 0)
        return result;
    const struct native_programs programs = {
        .client = client.bytes,
        .transfer = transfer.bytes,
        .fuse2fs = fuse2fs.bytes,
        .architecture = architecture,
        .libraries = libraries.bytes,
    };
    filling.native = &programs;
    return make_tree(command, place, machine, &filling, error);
}

static int print_urls(const struct distribution *distribution, struct error *error)
{
    auto_text struct text urls = TEXT_INIT;
    int result = distribution ? package_set_urls(distribution_packages(distribution), &urls) : 0;
    if (result < 0)
        return error_system(error, result, "listing packages");
    return status_print(urls.bytes ? urls.bytes : "") == STATUS_DONE ? 0 : -EIO;
}

/* All there is to do once the distribution is known; NULL for one without packages. */
static int make(const struct command *command, const char *directory, const char *place,
                const struct machine *machine, struct distribution *distribution,
                struct error *error)
{
    if (command->dry_run)
        return print_urls(distribution, error);
    int result = distribution ? distribution_download(distribution, error) : 0;
    return result < 0 ? result
                      : make_with_client(command, directory, place, machine, distribution, error);
}

static int make_from_packages(const struct command *command, const char *directory,
                              const char *place, const struct machine *machine, struct error *error)
{
    const struct distribution_options options = {
        .request = {.machine = machine,
                    .distribution = command->source,
                    .native = command->native,
                    .sing = command->sing},
        .directory = directory,
        .version = command->client,
        .cache = command->cache,
        .keys = command->keys,
        .require_signatures = command->require_signatures,
        .without_closure = command->without_closure,
        .quiet = command->quiet,
    };
    struct source_table *table = NULL;
    struct distribution *distribution = NULL;
    int result = action_open_table(command, directory, &table, error);
    if (result == 0)
        result = distribution_open(&options, table, &distribution, error);
    if (result == 0)
        result = make(command, directory, place, machine, distribution, error);
    distribution_close(distribution);
    source_table_close(table);
    return result;
}

enum status action_make(const struct command *command, const char *directory, const char *place)
{
    struct error error = ERROR_INIT;
    const struct machine *machine = NULL;
    enum status status = choose_machine(command, &machine);
    if (status != STATUS_DONE)
        return status;
    int result = 0;
    if (!command->dry_run) {
        result = check_commands(command, directory, machine, &error);
        if (result == 0)
            result = tree_refuse_existing(place, &error);
    }
    if (result < 0)
        return status_failed(&error);
    const bool packages = !command->native || strcmp(command->source, "none") != 0;
    result = packages ? make_from_packages(command, directory, place, machine, &error)
                      : make(command, directory, place, machine, NULL, &error);
    return result < 0 ? status_failed(&error) : STATUS_DONE;
}
