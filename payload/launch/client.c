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
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/config/configuration.h"
#include "payload/config/parameters.h"
#include "payload/launch/client_program.h"
#include "payload/launch/descriptors.h"
#include "payload/launch/log_tail.h"

#define DEVICE_NUMBER 3
#define DEVICE_PATH "/dev/fd/3"
#define WORDS_LIMIT 8192

/* What decides how the client is started. */
struct settings {
    bool debug;
    bool check_permissions;
};

/* Where the client logs and keeps its sockets. In a tree that cannot be written to they cannot be
 * made, and what the client can do then is for the client to say. */
static void make_directories(const struct paths *paths)
{
    auto_text struct text sockets = TEXT_INIT;
    (void)mkdir(paths->log, 0755);
    if (text_printf(&sockets, "%s/var/run/cvmfs", paths->dist) == 0)
        (void)directory_make(AT_FDCWD, sockets.bytes, 0755);
}

static int configure(const struct client_plan *plan, const char *file, struct settings *settings,
                     struct error *error)
{
    const struct configuration_layout layout = {
        .dist = plan->paths->dist, .log = plan->paths->log, .repositories = plan->repositories};
    auto_parameters struct parameters parameters = PARAMETERS_INIT;
    int result = configuration_build(&layout, plan->fqrn, &parameters, error);
    if (result < 0)
        return error_prefix(error, "configuration");
    const char *debug_log = parameters_get(&parameters, "CVMFS_DEBUGLOG");
    settings->debug = debug_log && *debug_log;
    settings->check_permissions = parameters_is_on(&parameters, "CVMFS_CHECK_PERMISSIONS", false);
    auto_text struct text lines = TEXT_INIT;
    result = parameters_format(&parameters, &lines);
    if (result < 0)
        return error_system(error, result, "configuration");
    auto_fd int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_system(error, -errno, "making %s", file);
    result = file_write_full(fd, lines.length ? lines.bytes : "", lines.length);
    return result < 0 ? error_system(error, result, "writing %s", file) : 0;
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
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
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

/* All that happens in the new process; returns only when it fails. */
static int become_client(const struct client_plan *plan, const char *configuration, int words,
                         struct error *error)
{
    int result = set_streams(words, error);
    if (result < 0)
        return result;
    struct settings settings = {.debug = false, .check_permissions = false};
    make_directories(plan->paths);
    result = configure(plan, configuration, &settings, error);
    if (result < 0)
        return result;
    auto_text struct text mount_point = TEXT_INIT;
    auto_text struct text options = TEXT_INIT;
    if (text_printf(&mount_point, "%s/%s", plan->repositories, plan->fqrn) < 0 ||
        text_printf(&options, "config=%s%s", configuration, settings.debug ? ",debug" : "") < 0)
        return error_system(error, -ENOMEM, "preparing the client");
    int device = plan->mount(mount_point.bytes, settings.check_permissions, error);
    if (device < 0)
        return device;
    result = hand_over_device(device, error);
    if (result < 0)
        return result;
    return client_execute(plan, options.bytes, error);
}

static int log_path(const struct client_plan *plan, struct text *path)
{
    return text_printf(path, "%s/%s.log", plan->paths->log, plan->fqrn);
}

static off_t log_length(const struct client_plan *plan)
{
    auto_text struct text path = TEXT_INIT;
    struct stat status;
    if (log_path(plan, &path) < 0 || stat(path.bytes, &status) < 0)
        return 0;
    return status.st_size;
}

int client_start(const struct client_plan *plan, struct client_run *run, struct error *error)
{
    auto_text struct text configuration = TEXT_INIT;
    if (text_printf(&configuration, "%s/.%s.%ld.conf", plan->configuration, plan->fqrn,
                    (long)getpid()) < 0)
        return error_system(error, -ENOMEM, "preparing the client");
    auto_fd int words = memfd_create("client", MFD_CLOEXEC);
    if (words < 0)
        return error_system(error, -errno, "preparing the client");
    run->log_length = log_length(plan);
    run->pid = fork();
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

static void append_words(int fd, struct text *report)
{
    char words[WORDS_LIMIT];
    ssize_t length = file_pread_full(fd, words, sizeof words, 0);
    if (length <= 0)
        return;
    (void)text_append(report, words, (size_t)length); /* without memory: a shorter report */
    if (words[length - 1] != '\n')
        (void)text_append_string(report, "\n");
}

static void append_log(const struct client_plan *plan, off_t from, struct text *report)
{
    auto_text struct text path = TEXT_INIT;
    auto_text struct text lines = TEXT_INIT;
    if (log_path(plan, &path) < 0 || log_tail(path.bytes, from, 10, &lines) < 0 || !lines.length)
        return; /* no log: nothing to add */
    (void)text_printf(report, "%s:\n%s", path.bytes, lines.bytes);
}

int client_finish(const struct client_plan *plan, struct client_run *run, int wait_status,
                  struct text *report)
{
    int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    if (code != 0) {
        (void)text_printf(report, "mounting %s failed", plan->fqrn);
        if (WIFSIGNALED(wait_status))
            (void)text_printf(report, ": the client was ended by signal %d", WTERMSIG(wait_status));
        (void)text_append_string(report, "\n");
        append_words(run->words, report);
        append_log(plan, run->log_length, report);
    }
    (void)unlink(run->configuration); /* a client that failed early may not have it */
    (void)close(run->words);
    free(run->configuration);
    *run = (struct client_run)CLIENT_RUN_INIT;
    return code;
}
