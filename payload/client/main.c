/* cvmfs2: the native client. Reads its arguments and configuration, mounts, goes into the
 * background, serves. Everything it says on stdout and its exit statuses are the official
 * client's (cvmfs-format.md 10.8). */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/client/client.h"
#include "payload/client/log.h"
#include "payload/client/options.h"
#include "payload/client/session.h"
#include "payload/client/version.h"
#include "payload/config/configuration.h"

#define FQRN_LIMIT 60

/* One line on stderr, as the official client words it; the value is the exit status. */
static int fail(int status, const struct error *error)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s (%d - %s)\n", error->message, status, client_exit_text(status));
    return status;
}

static bool is_fqrn(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.";
    size_t length = strlen(name);
    return length > 0 && length <= FQRN_LIMIT && strspn(name, allowed) == length && name[0] != '.';
}

/* A channel that is mounted already, given by its descriptor. */
static bool is_descriptor(const char *mountpoint)
{
    return strncmp(mountpoint, "/dev/fd/", 8) == 0;
}

/* Parameters are variables of the environment, for variant symlinks and helpers (8.2). */
static int export_parameters(const char *fqrn, const struct parameters *parameters)
{
    struct utsname system;
    if (uname(&system) < 0 || setenv("CVMFS_FQRN", fqrn, 1) < 0 ||
        setenv("CVMFS_ARCH", system.machine, 1) < 0)
        return -errno;
    for (size_t index = 0; index < parameters->count; index++)
        if (setenv(parameters->items[index].name, parameters->items[index].value, 1) < 0)
            return -errno;
    return 0;
}

static int read_configuration(const struct options *options, struct parameters *parameters,
                              struct error *error)
{
    static const char standard[] = "/etc/cvmfs";
    int result;
    if (options->simple_parsing)
        result =
            configuration_read_simple(standard, options->config, options->fqrn, parameters, error);
    else if (options->config)
        result = configuration_read(options->config, options->fqrn, parameters, error);
    else
        result = configuration_read_standard(standard, options->fqrn, parameters, error);
    if (result == 0 && export_parameters(options->fqrn, parameters) < 0)
        return error_system(error, -ENOMEM, "exporting the parameters");
    return result;
}

/* CVMFS_NFILES (8.4). */
static int raise_file_limit(const struct options *options, const struct parameters *parameters,
                            struct error *error)
{
    long long wanted = parameters_number(parameters, "CVMFS_NFILES", 0);
    struct rlimit limit;
    if (wanted <= 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= (rlim_t)wanted)
        return 0;
    const struct rlimit raised = {
        .rlim_cur = (rlim_t)wanted,
        .rlim_max = limit.rlim_max > (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted,
    };
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
        return 0;
    if (options->system_mount)
        return error_set(error, -EPERM, "Failed to set requested number of open files");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        printf("Failed to set requested number of open files, using maximum number %llu\n",
               (unsigned long long)limit.rlim_max);
    return 0;
}

static int facility_of(const struct parameters *parameters)
{
    if (!parameters_get(parameters, "CVMFS_SYSLOG_FACILITY"))
        return LOG_USER;
    long long number = parameters_number(parameters, "CVMFS_SYSLOG_FACILITY", 0);
    return number >= 0 && number <= 7 ? (int)(16 + number) << 3 : LOG_USER; /* LOG_LOCAL0...7 */
}

static int open_log(const struct options *options, const struct parameters *parameters,
                    struct error *error)
{
    bool debugging = options->debug || options->fuse_debug;
    const char *file = parameters_get(parameters, "CVMFS_USYSLOG");
    const struct log_options log = {
        .fqrn = options->fqrn,
        .file = file && *file ? file : NULL,
        .debug = debugging ? parameters_get(parameters, "CVMFS_DEBUGLOG") : NULL,
        .prefix = parameters_get(parameters, "CVMFS_SYSLOG_PREFIX"),
        .syslog_facility = facility_of(parameters),
        .syslog_level = (int)parameters_number(parameters, "CVMFS_SYSLOG_LEVEL", 3),
    };
    if (debugging)
        printf("CernVM-FS: running in debug mode\n");
    return log_open(&log, error);
}

static int drop_privileges(const struct options *options, struct error *error)
{
    if (!options->change_ids || geteuid() != 0)
        return 0;
    printf("CernVM-FS: running with credentials %u:%u\n", options->uid, options->gid);
    if ((options->gid != (gid_t)-1 &&
         (setgroups(1, &options->gid) < 0 || setgid(options->gid) < 0)) ||
        (options->uid != (uid_t)-1 && setuid(options->uid) < 0))
        return error_system(error, -errno, "Failed to drop privileges");
    return 0;
}

/* The mountpoint is a directory, or a descriptor that is mounted already. 1 when this repository
 * is mounted there. To be called with the privileges that giving a directory away takes. */
static int check_mountpoint(const struct options *options, struct error *error)
{
    if (is_descriptor(options->mountpoint)) {
        const char *number = options->mountpoint + 8;
        if (*number == '\0' || number[strspn(number, "0123456789")] != '\0')
            return error_set(error, -EINVAL, "Mountpoint %s is no descriptor", options->mountpoint);
        printf("CernVM-FS: pre-mounted on file descriptor %s\n", number);
        return 0;
    }
    struct stat status;
    int result = stat(options->mountpoint, &status) < 0 ? -errno : 0;
    if (result == 0 && !S_ISDIR(status.st_mode))
        result = -ENOTDIR;
    if (result == 0 && access(options->mountpoint, R_OK | X_OK) < 0)
        result = -errno;
    if (result < 0)
        return error_set(error, -EACCES, "Mountpoint %s cannot be used: %s", options->mountpoint,
                         strerror(-result));
    char mounted[FQRN_LIMIT + 1];
    ssize_t length = getxattr(options->mountpoint, "user.fqrn", mounted, sizeof mounted);
    if (length > 0 && (size_t)length == strlen(options->fqrn) &&
        memcmp(mounted, options->fqrn, (size_t)length) == 0)
        return 1;
    if (options->grab_mountpoint && chown(options->mountpoint, options->uid, options->gid) < 0)
        return error_system(error, -EACCES, "Failed to grab mountpoint %s", options->mountpoint);
    return 0;
}

/* The process that was started ends with status 0 as soon as the mount can be used; its child
 * goes on serving. */
static int go_into_background(void)
{
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0)
        return -errno;
    if (child > 0)
        _exit(EXIT_MOUNTED);
    auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0)
        for (int fd = 0; fd <= 2; fd++)
            (void)dup2(null, fd); /* what it had there is not worth failing for */
    return setsid() < 0 ? -errno : chdir("/") < 0 ? -errno : 0;
}

static int serve(const struct options *options, struct client *client)
{
    struct error error = ERROR_INIT;
    struct session *session;
    int result = session_mount(options, client, &session, &error);
    if (result < 0)
        return fail(EXIT_MOUNT, &error);
    if (!is_descriptor(options->mountpoint))
        printf("CernVM-FS: mounted cvmfs on %s\n", options->mountpoint);
    log_message(LOG_INFO, "CernVM-FS: linking %s to repository %s", options->mountpoint,
                options->fqrn);
    if (!options->foreground)
        result = go_into_background();
    if (result == 0)
        result = session_serve(session, &error);
    else
        (void)error_system(&error, result, "Failed to go into the background");
    session_unmount(session);
    log_message(LOG_INFO, "CernVM-FS: unmounted %s (%s)", options->mountpoint, options->fqrn);
    return result < 0 ? fail(EXIT_LOOP, &error) : EXIT_MOUNTED;
}

/* From the configuration on. */
static int run(const struct options *options, const struct parameters *parameters)
{
    struct error error = ERROR_INIT;
    if (raise_file_limit(options, parameters, &error) < 0)
        return fail(EXIT_PERMISSION, &error);
    int result = check_mountpoint(options, &error);
    if (result < 0)
        return fail(EXIT_PERMISSION, &error);
    if (result > 0) {
        printf("CernVM-FS: repository %s already mounted on %s\n", options->fqrn,
               options->mountpoint);
        return EXIT_MOUNTED;
    }
    if (drop_privileges(options, &error) < 0)
        return fail(EXIT_PERMISSION, &error);
    if (open_log(options, parameters, &error) < 0)
        return fail(EXIT_UNKNOWN, &error);
    printf("CernVM-FS: loading Fuse module... ");
    (void)fflush(stdout);
    struct client client;
    int status;
    if (client_open(options->fqrn, parameters, &client, &status, &error) < 0) {
        log_message(LOG_ERR, "%s", error.message);
        return fail(status, &error);
    }
    printf("done\n");
    status = serve(options, &client);
    client_close(&client);
    return status;
}

int main(int count, char **arguments)
{
    struct error error = ERROR_INIT;
    struct options options = {.fuse = TEXT_INIT};
    auto_parameters struct parameters parameters = PARAMETERS_INIT;
    int status = EXIT_MOUNTED;
    if (count < 2 || options_parse(count, arguments, &options, &error) < 0) {
        if (error.code)
            (void)fprintf(stderr, "cvmfs2: %s\n", error.message);
        (void)fputs(options_usage, stdout);
        options_free(&options);
        return EXIT_OPTIONS;
    }
    if (options.help)
        (void)fputs(options_usage, stdout);
    else if (options.version)
        printf("CernVM-FS version " OFFICIAL_VERSION "\n\n");
    else if (!is_fqrn(options.fqrn)) {
        (void)error_set(&error, -EINVAL, "'%s' is not a repository name", options.fqrn);
        status = fail(EXIT_OPTIONS, &error);
    } else if (read_configuration(&options, &parameters, &error) < 0) {
        status = fail(EXIT_UNKNOWN, &error);
    } else if (options.print_parameters) {
        auto_text struct text text = TEXT_INIT;
        if (parameters_print(&parameters, &text) == 0)
            (void)fputs(text.bytes, stdout);
    } else {
        status = run(&options, &parameters);
    }
    options_free(&options);
    return status;
}
