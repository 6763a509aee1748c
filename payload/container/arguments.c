/* Taking the command line apart, as far as it must be known where something can be inserted. What
 * options the container program has, and whether they make sense, is its own business. */
#include "payload/container/arguments.h"

#include <errno.h>
#include <string.h>

#include "payload/base/text.h"

const char arguments_usage[] =
    "Usage: singcvmfs [options] [global options] [command]\n"
    "Runs apptainer or singularity with CernVM-FS repositories mounted under /cvmfs of the\n"
    "container. The command is one of theirs, exec, instance, run, shell or version, with its\n"
    "arguments; or else one to be run in $SINGCVMFS_IMAGE. No command: the image's own.\n"
    "  -V, --version  show the version and end\n"
    "  -h, --help     show this and end\n"
    "  --dry-run      show what would be run, and end\n"
    "  global options are those of apptainer or singularity\n"
    "Environment:\n"
    "  SINGCVMFS_REPOSITORIES  the repositories, separated by commas\n"
    "  SINGCVMFS_IMAGE         the image for commands that are not of apptainer or singularity\n"
    "  SINGCVMFS_CACHEDIR      directory of the cache (dist/var/lib/cvmfs)\n"
    "  SINGCVMFS_CACHEIMAGE    file with an ext3 image for the cache, SINGCVMFS_CACHEDIR is\n"
    "                          a directory in it then\n"
    "  SINGCVMFS_OPTSFILE      settings instead of those in dist/etc/cvmfs/default.local\n"
    "  SINGCVMFS_SINGOPTS      further options for exec, run, shell and instance start\n"
    "  SINGCVMFS_LOGDIR        directory of logs (log)\n"
    "  SINGCVMFS_LOGLEVEL      debug: the clients write debug logs, too\n";

static bool is(const char *argument, const char *word)
{
    return argument && strcmp(argument, word) == 0;
}

static bool is_option(const char *argument)
{
    return argument && argument[0] == '-' && argument[1];
}

/* Those of our own options that come first. Returns the first argument that is none. */
static char **take_own(struct arguments *parsed, char **at)
{
    for (; *at; at++) {
        if (is(*at, "-V") || is(*at, "--version"))
            parsed->action = CONTAINER_VERSION;
        else if (is(*at, "-h") || is(*at, "--help"))
            parsed->action = CONTAINER_HELP;
        else if (is(*at, "--dry-run"))
            parsed->dry_run = true;
        else
            break;
    }
    return at;
}

/* Of the global options only -c has a value. */
static char **take_global(struct arguments *parsed, char **at)
{
    parsed->global = at;
    while (is_option(*at) && !is(*at, "--")) {
        const bool has_value = is(*at, "-c") || is(*at, "--config");
        at += has_value && at[1] ? 2 : 1;
    }
    parsed->global_count = (size_t)(at - parsed->global);
    return at;
}

/* Whether the arguments of exec, run or shell name a running instance. The image is the first of
 * them that is no option; the value of an option may be in front of it, and looks the same. An
 * instance can be recognized; behind an image there is only the name of a program, never one. */
static bool joins_instance(char *const *arguments)
{
    bool after_option = false;
    for (; *arguments; arguments++) {
        if (string_starts_with(*arguments, "instance://"))
            return true;
        const bool option = is_option(*arguments);
        if (!option && !after_option)
            return false;
        after_option = option;
    }
    return false;
}

/* What a command of the container program is, and how many words it has; CONTAINER_IMAGE for what
 * is none. */
static enum container_action classify(char *const *command, size_t *words)
{
    *words = 1;
    if (is(command[0], "version"))
        return CONTAINER_PASS;
    if (is(command[0], "exec") || is(command[0], "run") || is(command[0], "shell"))
        return joins_instance(command + 1) ? CONTAINER_JOIN : CONTAINER_MOUNT;
    *words = command[0] && command[1] ? 2 : 1;
    if (is(command[0], "instance"))
        return is(command[1], "start") || is(command[1], "run") ? CONTAINER_MOUNT : CONTAINER_PASS;
    *words = 0;
    return CONTAINER_IMAGE;
}

int arguments_parse(struct arguments *parsed, char **arguments, struct error *error)
{
    *parsed = (struct arguments){.action = CONTAINER_IMAGE};
    if (!*arguments)
        return error_set(error, -EINVAL, "no arguments");
    char **at = take_own(parsed, arguments + 1);
    at = take_global(parsed, at);
    if (parsed->action != CONTAINER_IMAGE)
        return 0;
    if (is(*at, "--")) { /* a command for the image, whatever its name */
        parsed->rest = at + 1;
        return 0;
    }
    parsed->command = at;
    parsed->action = classify(at, &parsed->command_count);
    parsed->rest = at + parsed->command_count;
    return 0;
}
