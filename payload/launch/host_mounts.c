/* Mode 1. Keeps no list of its own: what is mounted is what the mount table says. */
#include "payload/launch/host_mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/strings.h"
#include "payload/config/configuration.h"
#include "payload/launch/client.h"
#include "payload/launch/fusermount.h"
#include "payload/launch/host_clients.h"
#include "payload/launch/mount_table.h"
#include "payload/launch/run_directory.h"
#include "payload/launch/stale_mounts.h"

#define LEFT_SECONDS 3600 /* a configuration file is needed for a moment only */

static int repositories_directory(const struct paths *paths, struct text *directory)
{
    return text_printf(directory, "%s/cvmfs", paths->dist);
}

/* 1 when `path` is mounted and served, 0 when it is not mounted (any more), or a negative errno. */
static int look_at(const char *directory, const char *path, struct error *error)
{
    auto_strings struct strings mounted = STRINGS_INIT;
    int result = mount_table_read(directory, &mounted);
    if (result < 0)
        return error_system(error, result, "reading the mount table");
    if (!strings_contain(&mounted, path))
        return 0;
    if (!mount_is_stale(path))
        return 1;
    result = fusermount_unmount(path, true, error);
    return result < 0 ? error_prefix(error, "the client of %s is gone", path) : 0;
}

/* The status of waitpid(2), or a negative errno. *ended_by is the signal that put an end to the
 * waiting and to the client, or 0. */
static int wait_for(pid_t pid, int *ended_by, struct error *error)
{
    sigset_t signals;
    caller_signals(&signals);
    *ended_by = 0;
    for (;;) {
        int status;
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended != 0)
            return ended < 0 ? error_system(error, -errno, "waiting for the client") : status;
        int signal = sigwaitinfo(&signals, NULL);
        if (signal > 0 && caller_signal_ends(signal)) {
            *ended_by = signal;
            (void)kill(pid, SIGKILL); /* it may have ended just now */
        }
    }
}

/* A client that failed after it was mounted leaves a mount that nobody serves. */
static void clear_away(const char *directory, const char *path)
{
    auto_strings struct strings mounted = STRINGS_INIT;
    if (mount_table_read(directory, &mounted) == 0 && strings_contain(&mounted, path))
        (void)fusermount_unmount(path, true, NULL); /* what the client said is to be reported */
    (void)rmdir(path);
}

static int mount_one(const struct client_plan *plan, struct text *report, struct error *error)
{
    auto_text struct text path = TEXT_INIT;
    if (text_printf(&path, "%s/%s", plan->repositories, plan->fqrn) < 0)
        return error_system(error, -ENOMEM, "mounting %s", plan->fqrn);
    int result = look_at(plan->repositories, path.bytes, error);
    if (result != 0)
        return result == 1 ? 0 : result;
    result = directory_make(AT_FDCWD, path.bytes, 0755);
    if (result < 0)
        return error_system(error, result, "making %s", path.bytes);
    struct client_run run = CLIENT_RUN_INIT;
    result = client_start(plan, &run, error);
    if (result < 0)
        return result;
    int ended_by;
    int status = wait_for(run.pid, &ended_by, error);
    if (status < 0)
        return status;
    if (ended_by)
        client_give_up(plan, &run, report);
    result = ended_by ? 128 + ended_by : client_finish(plan, &run, status, report);
    if (result != 0)
        clear_away(plan->repositories, path.bytes);
    return result;
}

/* What mountrepo left there when it was killed. Told from what is in use by its age: a lock would
 * not count for other nodes that use the same tree. */
static void remove_left_configurations(const char *run)
{
    const time_t now = time(NULL);
    auto_directory DIR *directory = opendir(run);
    while (directory) {
        struct stat status;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return;
        if (entry->d_name[0] == '.' &&
            string_ends_with(entry->d_name, CLIENT_CONFIGURATION_SUFFIX) &&
            fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode) && now - status.st_mtime > LEFT_SECONDS)
            (void)unlinkat(dirfd(directory), entry->d_name, 0); /* it hurts nobody */
    }
}

/* The flat configuration file goes there, and is then named relative to it: its name must have no
 * ':' or ',', which the path of the tree may have. */
static int change_to_run_directory(const struct paths *paths, struct error *error)
{
    auto_text struct text run = TEXT_INIT;
    if (text_printf(&run, "%s/var/run/cvmfs", paths->dist) < 0)
        return error_system(error, -ENOMEM, "mounting");
    int result = directory_make(AT_FDCWD, run.bytes, 0755);
    if (result == 0 && chdir(run.bytes) < 0)
        result = -errno;
    if (result == 0)
        remove_left_configurations(".");
    return result < 0 ? error_system(error, result, "changing to %s", run.bytes) : 0;
}

/* The config repository, and then `fqrn`. */
static int mount_in_order(const struct client_plan *plan, const struct configuration_layout *layout,
                          struct text *report, struct error *error)
{
    auto_free char *first = NULL;
    int result = configuration_repository(layout, &first, error);
    if (result < 0)
        return error_prefix(error, "configuration");
    if (!first || strcmp(first, plan->fqrn) == 0)
        return mount_one(plan, report, error);
    struct client_plan first_plan = *plan;
    first_plan.fqrn = first;
    result = mount_one(&first_plan, report, error);
    if (result != 0)
        return result;
    /* What is wrong with the configuration of both is said once. */
    auto_text struct text second = TEXT_INIT;
    result = mount_one(plan, &second, error);
    if (second.length && !(report->length && strstr(report->bytes, second.bytes)))
        (void)text_append(report, second.bytes, second.length); /* else: a shorter report */
    return result;
}

static int complete_name(const struct configuration_layout *layout, const char *name, char **fqrn,
                         struct error *error)
{
    int result = configuration_full_name(layout, name, fqrn, error);
    return result < 0 ? error_prefix(error, "configuration") : 0;
}

int host_mounts_mount(const struct paths *paths, const struct caller *caller, const char *name,
                      struct text *report, struct error *error)
{
    auto_text struct text directory = TEXT_INIT;
    auto_free char *fqrn = NULL;
    if (repositories_directory(paths, &directory) < 0)
        return error_system(error, -ENOMEM, "mounting %s", name);
    const struct configuration_layout layout = {
        .dist = paths->dist, .log = paths->log, .repositories = directory.bytes};
    auto_fd int use = -1;
    int result = stale_mounts_begin_use(directory.bytes, &use, error);
    if (result == 0)
        result = change_to_run_directory(paths, error);
    if (result == 0)
        result = complete_name(&layout, name, &fqrn, error);
    if (result < 0)
        return result;
    const struct mode mode = MODE_HOST_INIT;
    const struct client_plan plan = {.paths = paths,
                                     .caller = caller,
                                     .fqrn = fqrn,
                                     .repositories = directory.bytes,
                                     .configuration = ".",
                                     .mode = &mode};
    return mount_in_order(&plan, &layout, report, error);
}

/* What is unmounted lazily may be in use for as long as it likes: nobody waits for its client. */
static int unmount_one(const struct paths *paths, const char *path, bool lazily,
                       struct error *error)
{
    int result = fusermount_unmount(path, lazily || mount_is_stale(path), error);
    if (result < 0)
        return result;
    if (!lazily)
        host_clients_wait(paths, strrchr(path, '/') + 1);
    (void)rmdir(path); /* an empty directory that stays hurts nobody */
    return 0;
}

static int unmount_all(const struct paths *paths, const struct strings *mounted, bool lazily,
                       struct error *error)
{
    int result = 0;
    for (size_t index = mounted->count; index > 0; index--) {
        int one = unmount_one(paths, mounted->items[index - 1], lazily, result == 0 ? error : NULL);
        if (result == 0)
            result = one;
    }
    if (result == 0 && !lazily)
        host_clients_wait(paths, NULL);
    return result;
}

/* 1 when the repository is mounted, and `path` is told where; 0 when it is not. */
static int find_mounted(const struct configuration_layout *layout, const char *fqrn,
                        const struct strings *mounted, struct text *path)
{
    int result = text_printf(path, "%s/%s", layout->repositories, fqrn);
    return result < 0 ? result : strings_contain(mounted, path->bytes);
}

/* What killed runs left, of mountrepo and of mode 2. */
static void remove_left(const struct paths *paths, const char *directory)
{
    auto_text struct text run = TEXT_INIT;
    if (text_printf(&run, "%s/var/run/cvmfs", paths->dist) == 0)
        remove_left_configurations(run.bytes);
    stale_mounts_remove(directory);
    run_directory_remove_stale(paths);
}

int host_mounts_unmount(const struct paths *paths, const char *name, bool lazily,
                        struct error *error)
{
    auto_text struct text directory = TEXT_INIT;
    auto_text struct text path = TEXT_INIT;
    auto_free char *fqrn = NULL;
    if (repositories_directory(paths, &directory) < 0)
        return error_system(error, -ENOMEM, "unmounting");
    const struct configuration_layout layout = {
        .dist = paths->dist, .log = paths->log, .repositories = directory.bytes};
    if (!name)
        remove_left(paths, directory.bytes);
    auto_strings struct strings mounted = STRINGS_INIT;
    int result = mount_table_read(directory.bytes, &mounted);
    if (result < 0)
        return error_system(error, result, "reading the mount table");
    if (!name)
        return unmount_all(paths, &mounted, lazily, error);
    result = complete_name(&layout, name, &fqrn, error);
    if (result == 0)
        result = find_mounted(&layout, fqrn, &mounted, &path);
    if (result == 0)
        return error_set(error, -EINVAL, "%s is not mounted", fqrn);
    return result < 0 ? result : unmount_one(paths, path.bytes, lazily, error);
}
