/* Starting clients. Between fork and exec the new process does all that belongs to one repository
 * only, so that several are mounted at the same time; its standard error is a file in memory from
 * the beginning, so that its own failures and the client's are reported in the same way. */
#include "payload/launch/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/config/configuration.h"
#include "payload/config/parameters.h"
#include "payload/launch/client_program.h"
#include "payload/launch/client_words.h"
#include "payload/launch/places.h"
#include "payload/launch/processes.h"

#define DEVICE_NUMBER 3
#define DEVICE_PATH "/dev/fd/3"

/* What decides how the client is started, and what is to be told of it. */
struct settings {
    bool debug;
    bool check_permissions;
    struct text log;      /* its log file; empty when it has none */
    struct error no_log;  /* why there can be none in the usual place; -ENOENT: a link to nothing */
    struct error problem; /* with the configuration */
};

static void settings_free(struct settings *settings)
{
    text_free(&settings->log);
}

static int write_configuration(const struct parameters *parameters, const char *file,
                               struct error *error)
{
    auto_text struct text lines = TEXT_INIT;
    int result = parameters_format(parameters, &lines);
    if (result < 0)
        return error_system(error, result, "configuration");
    auto_fd int fd =
        openat(AT_FDCWD, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_system(error, -errno, "making %s", file);
    result = file_write_full(fd, lines.length ? lines.bytes : "", lines.length);
    return result < 0 ? error_system(error, result, "writing %s", file) : 0;
}

static int apply_parameters(const struct parameters *parameters, struct settings *settings,
                            struct error *error)
{
    const char *debug_log = parameters_get(parameters, "CVMFS_DEBUGLOG");
    const char *log = parameters_get(parameters, "CVMFS_USYSLOG");
    const char *cache = parameters_get(parameters, "CVMFS_CACHE_BASE");
    settings->debug = debug_log && *debug_log;
    settings->check_permissions = parameters_is_on(parameters, "CVMFS_CHECK_PERMISSIONS", false);
    if (text_append_string(&settings->log, log ? log : "") < 0)
        return error_system(error, -ENOMEM, "configuration");
    int result = cache ? places_check_link(cache, error) : 0;
    return result < 0 ? error_prefix(error, "the cache") : 0;
}

static int configure(const struct client_plan *plan, const char *file, struct settings *settings,
                     struct error *error)
{
    const bool can_log = places_prepare_log(plan->paths, plan->fqrn, &settings->no_log) == 0;
    const struct configuration_layout layout = {.dist = plan->paths->dist,
                                                .log = can_log ? plan->paths->log : NULL,
                                                .repositories = plan->repositories};
    auto_parameters struct parameters parameters = PARAMETERS_INIT;
    int result = configuration_build(&layout, plan->fqrn, &parameters, &settings->problem);
    if (result < 0) {
        *error = settings->problem;
        return error_prefix(error, "configuration");
    }
    result = apply_parameters(&parameters, settings, error);
    /* A tree for reading only is what a site may want; a link to nothing is not. */
    if (!settings->log.length && !settings->problem.code && settings->no_log.code == -ENOENT)
        settings->problem = settings->no_log;
    return result < 0 ? result : write_configuration(&parameters, file, error);
}

static int client_execute(const struct client_plan *plan, const char *options, struct error *error)
{
    auto_text struct text mount_point = TEXT_INIT;
    if (text_printf(&mount_point, "%s/%s", plan->repositories, plan->fqrn) < 0 ||
        setenv("CVMFSEXEC_MOUNTPOINT", mount_point.bytes, 1) < 0)
        return error_system(error, -ENOMEM, "preparing the client");
    int result = caller_restore(plan->caller);
    if (result < 0)
        return error_system(error, result, "preparing the client");
    const char *const arguments[] = {"-o", options, plan->fqrn, DEVICE_PATH, NULL};
    return client_program_execute(plan->paths, arguments, error);
}

static int set_streams(int words, struct error *error)
{
    int null = descriptors_open_null();
    if (null < 0)
        return error_system(error, null, "redirecting the client");
    if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(words, STDERR_FILENO) < 0)
        return error_system(error, -errno, "redirecting the client");
    return 0;
}

/* The device becomes the only descriptor besides the standard streams. */
static int hand_over_device(int device, struct error *error)
{
    if (device == DEVICE_NUMBER ? fcntl(device, F_SETFD, 0) < 0 : dup2(device, DEVICE_NUMBER) < 0)
        return error_system(error, -errno, "handing the device to the client");
    int result = descriptors_close_from(DEVICE_NUMBER + 1);
    return result < 0 ? error_system(error, result, "closing descriptors") : 0;
}

static int begin_words(int words, const struct settings *settings, struct error *error)
{
    const struct client_facts facts = {.log = settings->log.length ? settings->log.bytes : "",
                                       .no_log = settings->no_log.message,
                                       .problem = settings->problem.message};
    int result = client_words_begin(words, &facts);
    return result < 0 ? error_system(error, result, "preparing the client") : 0;
}

/* All that happens in the new process; returns only when it fails. */
static int become_client(const struct client_plan *plan, const char *configuration, int words,
                         struct error *error)
{
    int result = set_streams(words, error);
    if (result < 0)
        return result;
    __attribute__((cleanup(settings_free))) struct settings settings = {
        .log = TEXT_INIT, .no_log = ERROR_INIT, .problem = ERROR_INIT};
    places_prepare_sockets(plan->paths);
    result = configure(plan, configuration, &settings, error);
    if (result == 0)
        result = begin_words(words, &settings, error);
    if (result < 0)
        return result;
    auto_text struct text mount_point = TEXT_INIT;
    auto_text struct text options = TEXT_INIT;
    if (text_printf(&mount_point, "%s/%s", plan->repositories, plan->fqrn) < 0 ||
        text_printf(&options, "config=%s%s", configuration, settings.debug ? ",debug" : "") < 0)
        return error_system(error, -ENOMEM, "preparing the client");
    int device = mode_mount(plan->mode, mount_point.bytes, settings.check_permissions, error);
    if (device < 0)
        return device;
    result = hand_over_device(device, error);
    if (result < 0)
        return result;
    return client_execute(plan, options.bytes, error);
}

/* A tree may be in use on several nodes, where others have the same process numbers; and a process
 * that was killed leaves its file. */
static int name_configuration(const struct client_plan *plan, struct text *name)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* this clock exists on every Linux */
    return text_printf(name, "%s/.%s.%ld.%ld" CLIENT_CONFIGURATION_SUFFIX, plan->configuration,
                       plan->fqrn, (long)getpid(), now.tv_nsec);
}

int client_start(const struct client_plan *plan, struct client_run *run, struct error *error)
{
    auto_text struct text configuration = TEXT_INIT;
    if (name_configuration(plan, &configuration) < 0)
        return error_system(error, -ENOMEM, "preparing the client");
    auto_fd int words = memfd_create("client", MFD_CLOEXEC);
    if (words < 0)
        return error_system(error, -errno, "preparing the client");
    run->pid = processes_fork();
    if (run->pid < 0)
        return error_system(error, -errno, "starting a process for the client");
    if (run->pid == 0) {
        struct error failure = ERROR_INIT;
        (void)become_client(plan, configuration.bytes, words, &failure);
        (void)dprintf(STDERR_FILENO, "%s\n", failure.message); /* the exit code remains */
        _exit(1);
    }
    run->words = steal_fd(&words);
    run->configuration = text_steal(&configuration);
    return 0;
}

static void release(struct client_run *run)
{
    (void)unlink(run->configuration); /* a client that failed early may not have it */
    (void)close(run->words);
    free(run->configuration);
    *run = (struct client_run)CLIENT_RUN_INIT;
}

int client_finish(const struct client_plan *plan, struct client_run *run, int wait_status,
                  struct text *report)
{
    client_words_report(run->words, plan->fqrn, wait_status, report);
    release(run);
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

void client_give_up(const struct client_plan *plan, struct client_run *run, struct text *report)
{
    client_words_report_unfinished(run->words, plan->fqrn, report);
    release(run);
}
