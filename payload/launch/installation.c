/* Looking at a dist tree and the places that a client of it writes to. Starts no client that serves
 * anything. */
#include "payload/launch/installation.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/config/configuration.h"
#include "payload/config/parameters.h"
#include "payload/launch/client_program.h"
#include "payload/launch/places.h"
#include "payload/launch/root.h"
#include "payload/launch/trial.h"

#define NOT_EXECUTED 126
#define CLOCK_TOLERANCE 3600 /* seconds: file servers have clocks of their own */

struct client_trial {
    const struct paths *paths;
    const struct caller *caller;
};

static int execute_client(const struct client_trial *trial)
{
    static const char *const arguments[] = {"-V", NULL};
    struct error error = ERROR_INIT;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should it hang, and this check be killed */
    if (caller_restore(trial->caller) == 0)
        (void)client_program_execute(trial->paths, arguments, &error);
    (void)dprintf(STDERR_FILENO, "%s\n", error.message);
    return NOT_EXECUTED;
}

static int try_client(void *context, struct error *error)
{
    const struct client_trial *trial = context;
    pid_t pid = fork();
    if (pid < 0)
        return error_system(error, -errno, "starting a process");
    if (pid == 0)
        _exit(execute_client(trial));
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return error_system(error, -errno, "waiting for the client");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_EXECUTED)
        return error_set(error, -ENOEXEC, "%s", ""); /* it has been said why */
    return error_set(error, -EIO, "%s ended with status %d", trial->paths->client,
                     WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int installation_client(const struct paths *paths, const struct caller *caller, struct text *words,
                        struct error *error)
{
    struct client_trial trial = {.paths = paths, .caller = caller};
    auto_text struct text said = TEXT_INIT;
    struct error failure = ERROR_INIT;
    int result = trial_run(NULL, try_client, &trial, &said, &failure);
    const char *line = said.length ? said.bytes : "";
    const int length = (int)strcspn(line, "\n");
    if (result == 0)
        return text_printf(words, "%.*s", length, line);
    return error_set(error, result, "%s%s%.*s", failure.message,
                     *failure.message && length ? ": " : "", length, line);
}

/* Appends a size in the decimal units that df -H has. */
static int append_size(struct text *words, unsigned long long bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    unsigned long long rest = 0;
    for (; bytes >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++) {
        rest = bytes % 1000;
        bytes /= 1000;
    }
    if (unit == 0 || bytes >= 10)
        return text_printf(words, "%llu %s", bytes, units[unit]);
    return text_printf(words, "%llu.%llu %s", bytes, rest / 100, units[unit]);
}

/* The directory itself, or the nearest above it that exists: that is where it would be made. */
static int open_nearest(const char *directory, struct error *error)
{
    auto_free char *path = strdup(directory);
    if (!path)
        return error_system(error, -ENOMEM, "looking at %s", directory);
    for (;;) {
        int result = places_check_link(path, error);
        if (result < 0)
            return result;
        int fd = open(*path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
        char *slash = strrchr(path, '/');
        if (errno != ENOENT || !slash)
            return error_system(error, -errno, "looking at %s", path);
        *slash = '\0';
    }
}

/* A byte in a file without a name, or with one for a moment where the file system knows no others
 * (NFS), shows a full disk and an exhausted quota, too. */
static int write_something(int directory)
{
    static const char name[] = ".cvmfsexec-check";
    auto_fd int fd = openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    const bool named = fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT);
    if (named)
        fd = openat(directory, name, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int result = file_write_full(fd, "", 1);
    if (close(steal_fd(&fd)) < 0 && result == 0) /* file servers may say it only then */
        result = -errno;
    if (named)
        (void)unlinkat(directory, name, 0); /* it is ours */
    return result;
}

static int try_directory(const char *directory, struct error *error)
{
    auto_fd int fd = open_nearest(directory, error);
    if (fd < 0)
        return fd;
    int result = write_something(fd);
    if (result < 0)
        error_system(error, result, "%s cannot be written to", directory);
    struct statvfs status;
    auto_text struct text size = TEXT_INIT;
    if (fstatvfs(fd, &status) == 0 &&
        append_size(&size, (unsigned long long)status.f_bavail * status.f_frsize) == 0)
        (void)printf(", %s free", size.bytes);
    return result;
}

/* cvmfs-format 10.9, 10.10. */
static const char *cache_directory(const struct parameters *parameters)
{
    const char *alien = parameters_get(parameters, "CVMFS_ALIEN_CACHE");
    const char *verbatim = parameters_get(parameters, "CVMFS_CACHE_DIR");
    const char *base = parameters_get(parameters, "CVMFS_CACHE_BASE");
    return alien && *alien ? alien : verbatim ? verbatim : base ? base : "/var/lib/cvmfs";
}

static int evaluate(const struct paths *paths, struct parameters *parameters, struct error *error)
{
    const struct configuration_layout layout = {
        .dist = paths->dist, .log = paths->log, .repositories = ROOT_REPOSITORIES};
    auto_free char *fqrn = NULL;
    int result = configuration_repository(&layout, &fqrn, error);
    if (result == 0)
        result = configuration_build(&layout, fqrn ? fqrn : "check", parameters, error);
    /* CVMFS_STRICT_MOUNT refuses that name, as it should, when everything has been evaluated. */
    if (result == -EACCES && !fqrn && parameters->count > 0)
        result = 0;
    return result < 0 ? error_prefix(error, "configuration") : 0;
}

static int try_cache(void *context, struct error *error)
{
    auto_parameters struct parameters parameters = PARAMETERS_INIT;
    int result = evaluate(context, &parameters, error);
    if (result < 0)
        return result;
    const char *directory = cache_directory(&parameters);
    (void)printf("%s", directory);
    result = try_directory(directory, error);
    long long quota = parameters_number(&parameters, "CVMFS_QUOTA_LIMIT", 0);
    if (quota > 0)
        (void)printf(", CVMFS_QUOTA_LIMIT is %lld MiB", quota);
    (void)fflush(stdout);
    return result;
}

static int try_log(void *context, struct error *error)
{
    const struct paths *paths = context;
    (void)printf("%s", paths->log);
    int result = try_directory(paths->log, error);
    (void)fflush(stdout);
    return result;
}

/* Evaluating a configuration and looking at directories may hang on a file server that is dead. */
static int ask(trial_step *step, const struct paths *paths, struct text *words, struct error *error)
{
    struct paths copy = *paths;
    return trial_run(NULL, step, &copy, words, error);
}

int installation_cache(const struct paths *paths, struct text *words, struct error *error)
{
    return ask(try_cache, paths, words, error);
}

int installation_log(const struct paths *paths, struct text *words, struct error *error)
{
    return ask(try_log, paths, words, error);
}

static int append_time(struct text *words, time_t when)
{
    struct tm parts;
    if (!gmtime_r(&when, &parts))
        return -EOVERFLOW;
    return text_printf(words, "%04d-%02d-%02d %02d:%02d UTC", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min);
}

int installation_clock(const struct paths *paths, struct text *words, struct error *error)
{
    const time_t now = time(NULL);
    int result = append_time(words, now);
    struct stat tree;
    if (result < 0 || stat(paths->dist, &tree) < 0 || tree.st_mtime <= now + CLOCK_TOLERANCE)
        return result;
    auto_text struct text made = TEXT_INIT;
    result = append_time(&made, tree.st_mtime);
    return result < 0 ? result
                      : error_set(error, -ETIME,
                                  "%s is of a later time, %s; root can set the clock with: "
                                  "timedatectl set-ntp true",
                                  paths->dist, made.bytes);
}
