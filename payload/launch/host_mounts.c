/* Mode 1. Keeps no list of its own: what is mounted is what the mount table says. */
#include "payload/launch/host_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/strings.h"
#include "payload/config/configuration.h"
#include "payload/launch/client.h"
#include "payload/launch/fusermount.h"
#include "payload/launch/mount_table.h"

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
    struct stat status;
    if (stat(path, &status) == 0 || errno != ENOTCONN)
        return 1;
    result = fusermount_unmount(path, true, error);
    return result < 0 ? error_prefix(error, "the client of %s is gone", path) : 0;
}

static int wait_for(pid_t pid, struct error *error)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return error_system(error, -errno, "waiting for the client");
    }
    return status;
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
    int status = wait_for(run.pid, error);
    if (status < 0)
        return status;
    result = client_finish(plan, &run, status, report);
    if (result != 0)
        clear_away(plan->repositories, path.bytes);
    return result;
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
    return result < 0 ? error_system(error, result, "changing to %s", run.bytes) : 0;
}

int host_mounts_mount(const struct paths *paths, const struct caller *caller, const char *fqrn,
                      struct text *report, struct error *error)
{
    auto_text struct text directory = TEXT_INIT;
    auto_free char *first = NULL;
    if (repositories_directory(paths, &directory) < 0)
        return error_system(error, -ENOMEM, "mounting %s", fqrn);
    struct client_plan plan = {.paths = paths,
                               .caller = caller,
                               .fqrn = fqrn,
                               .repositories = directory.bytes,
                               .configuration = ".",
                               .mount = fusermount_mount};
    const struct configuration_layout layout = {
        .dist = paths->dist, .log = paths->log, .repositories = directory.bytes};
    int result = change_to_run_directory(paths, error);
    if (result < 0)
        return result;
    result = configuration_repository(&layout, &first, error);
    if (result < 0)
        return error_prefix(error, "configuration");
    if (first && strcmp(first, fqrn) != 0) {
        plan.fqrn = first;
        result = mount_one(&plan, report, error);
        plan.fqrn = fqrn;
    }
    return result == 0 ? mount_one(&plan, report, error) : result;
}

static int unmount_one(const char *path, bool lazily, struct error *error)
{
    int result = fusermount_unmount(path, lazily, error);
    if (result == 0)
        (void)rmdir(path); /* an empty directory that stays hurts nobody */
    return result;
}

static int unmount_all(const struct strings *mounted, bool lazily, struct error *error)
{
    int result = 0;
    for (size_t index = mounted->count; index > 0; index--) {
        int one = unmount_one(mounted->items[index - 1], lazily, result == 0 ? error : NULL);
        if (result == 0)
            result = one;
    }
    return result;
}

int host_mounts_unmount(const struct paths *paths, const char *fqrn, bool lazily,
                        struct error *error)
{
    auto_text struct text directory = TEXT_INIT;
    auto_text struct text path = TEXT_INIT;
    if (repositories_directory(paths, &directory) < 0 ||
        (fqrn && text_printf(&path, "%s/%s", directory.bytes, fqrn) < 0))
        return error_system(error, -ENOMEM, "unmounting");
    auto_strings struct strings mounted = STRINGS_INIT;
    int result = mount_table_read(directory.bytes, &mounted);
    if (result < 0)
        return error_system(error, result, "reading the mount table");
    if (!fqrn)
        return unmount_all(&mounted, lazily, error);
    if (!strings_contain(&mounted, path.bytes))
        return error_set(error, -EINVAL, "%s is not mounted", fqrn);
    return unmount_one(path.bytes, lazily, error);
}
