/* Between the container program, which mounts and gives us the descriptor, and its client. All
 * repositories begin at the same time, the config repository too: looking for its files waits until
 * its client serves them. Nothing of the container's own is used, so it may be any. */
#include "payload/container/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/config/configuration.h"
#include "payload/config/parameters.h"
#include "payload/container/keeper.h"
#include "payload/container/layout.h"
#include "payload/launch/client_program.h"
#include "payload/launch/fqrn.h"
#include "payload/launch/paths.h"

static int find_paths(struct paths *paths, struct error *error)
{
    paths->home = strdup(LAYOUT_HOME);
    paths->dist = strdup(LAYOUT_DIST);
    paths->log = strdup(LAYOUT_LOG);
    paths->libraries = strdup(LAYOUT_HOME "/dist/usr/lib64");
    paths->client = strdup(LAYOUT_HOME "/dist/usr/bin/cvmfs2");
    paths->starter = strdup(LAYOUT_PROGRAM);
    if (!paths->home || !paths->dist || !paths->log || !paths->libraries || !paths->client ||
        !paths->starter)
        return error_system(error, -ENOMEM, "preparing the client");
    return 0;
}

/* Evaluates the configuration of the repository. */
static int configure(const struct paths *paths, const char *fqrn, bool debug,
                     struct parameters *parameters, struct error *error)
{
    const struct configuration_layout layout = {
        .dist = paths->dist,
        .log = access(paths->log, W_OK | X_OK) == 0 ? paths->log : NULL,
        .repositories = LAYOUT_REPOSITORIES,
        .var = LAYOUT_VAR,
        .site = access(LAYOUT_SITE, F_OK) == 0 ? LAYOUT_SITE : NULL};
    struct error problem = ERROR_INIT;
    int result = configuration_build(&layout, fqrn, parameters, &problem);
    if (result < 0) {
        (void)error_set(error, result, "%s", problem.message);
        return error_prefix(error, "configuration");
    }
    if (problem.code)
        (void)dprintf(STDERR_FILENO, "singcvmfs: %s: %s\n", fqrn, problem.message);
    const char *log = parameters_get(parameters, "CVMFS_DEBUGLOG");
    auto_text struct text usual = TEXT_INIT;
    if (!debug || (log && *log))
        return 0;
    result = text_printf(&usual, "%s/%s-debug.log", paths->log, fqrn);
    if (result == 0)
        result = parameters_set(parameters, "CVMFS_DEBUGLOG", usual.bytes, "");
    return result < 0 ? error_system(error, result, "configuration") : 0;
}

/* In a file of its own, also where containers share their scratch directories (-W). */
static int write_configuration(const struct parameters *parameters, const char *fqrn,
                               struct text *path, struct error *error)
{
    auto_text struct text lines = TEXT_INIT;
    if (parameters_format(parameters, &lines) < 0 ||
        text_printf(path, "%s/%s.XXXXXX", LAYOUT_RUN, fqrn) < 0)
        return error_system(error, -ENOMEM, "configuration");
    auto_fd int file = mkostemp(path->bytes, O_CLOEXEC);
    if (file < 0)
        return error_system(error, -errno, "making a file in %s", LAYOUT_RUN);
    int result = file_write_full(file, lines.length ? lines.bytes : "", lines.length);
    return result < 0 ? error_system(error, result, "writing %s", path->bytes) : 0;
}

/* What is on standard output is the command's, whatever a client says there. */
static int leave_streams(struct error *error)
{
    auto_fd int null = descriptors_open_null();
    if (null < 0)
        return error_system(error, null, "opening /dev/null");
    if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        return error_system(error, -errno, "opening /dev/null");
    if (null <= STDERR_FILENO)
        (void)steal_fd(&null);
    return 0;
}

/* The number in "/dev/fd/3", or -1. */
static int device_descriptor(const char *path)
{
    int number, end = 0;
    return sscanf(path, "/dev/fd/%6d%n", &number, &end) == 1 && !path[end] ? number : -1;
}

/* The image of a cache may be mounted by FUSE in a user namespace. Linux lets nobody write to the
 * root of such a file system before it has asked once whose that is, and asks with stat(2) only. */
static void look_at_cache(void)
{
    struct stat status;
    (void)stat(LAYOUT_CACHE, &status); /* what is wrong with it is for the client to say */
}

/* `arguments`: the repository and what the container program has put behind it. */
static int serve(const struct paths *paths, bool debug, char *const *arguments, struct error *error)
{
    const char *fqrn = arguments[0];
    const int device = device_descriptor(arguments[1]);
    auto_parameters struct parameters parameters = PARAMETERS_INIT;
    auto_text struct text file = TEXT_INIT;
    auto_text struct text options = TEXT_INIT;
    auto_text struct text mount_point = TEXT_INIT;
    int result = leave_streams(error);
    if (result == 0)
        result = configure(paths, fqrn, debug, &parameters, error);
    if (result == 0)
        result = write_configuration(&parameters, fqrn, &file, error);
    if (result < 0)
        return result;
    look_at_cache();
    const char *log = parameters_get(&parameters, "CVMFS_DEBUGLOG");
    if (text_printf(&options, "config=%s%s", file.bytes, log && *log ? ",debug" : "") < 0 ||
        text_printf(&mount_point, "%s/%s", LAYOUT_REPOSITORIES, fqrn) < 0 ||
        setenv("CVMFSEXEC_MOUNTPOINT", mount_point.bytes, 1) < 0)
        return error_system(error, -ENOMEM, "preparing the client");
    const char *words[8] = {"-o", options.bytes, fqrn};
    size_t count = 3;
    for (arguments++; *arguments && count + 1 < sizeof words / sizeof *words; arguments++)
        words[count++] = *arguments;
    const char *usual_log = parameters_get(&parameters, "CVMFS_USYSLOG");
    const struct keeper_plan plan = {.paths = paths,
                                     .fqrn = fqrn,
                                     .words = words,
                                     .run = LAYOUT_RUN,
                                     .log = usual_log ? usual_log : "",
                                     .device = device};
    result = keeper_run(&plan, error);
    (void)unlink(file.bytes); /* what stays, stays in a directory of this container's own */
    return result;
}

bool inside_is_wanted(char *const *arguments)
{
    return client_program_is_wanted(arguments) ||
           (arguments[0] && arguments[1] &&
            (strcmp(arguments[1], LAYOUT_CLIENT) == 0 ||
             strcmp(arguments[1], LAYOUT_DEBUG_CLIENT) == 0));
}

int inside_run_client(char *const *arguments, struct error *error)
{
    auto_paths struct paths paths = PATHS_INIT;
    int result = find_paths(&paths, error);
    if (result < 0)
        return result;
    if (client_program_is_wanted(arguments))
        return client_program_execute(&paths, (const char *const *)(arguments + 1), error);
    const char *fqrn = arguments[2];
    if (!fqrn || !fqrn_is_valid(fqrn) || !arguments[3])
        return error_set(error, -EINVAL, "%s is for the container program only", arguments[1]);
    const bool debug = strcmp(arguments[1], LAYOUT_DEBUG_CLIENT) == 0;
    result = serve(&paths, debug, arguments + 2, error);
    return result < 0 ? error_prefix(error, "%s", fqrn) : result;
}
