/* The questions. What is tried is the launcher's own code. */
#include "payload/launch/node.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/fusermount.h"
#include "payload/launch/outer.h"
#include "payload/launch/root.h"
#include "payload/launch/trial.h"

struct settling {
    const struct namespace_set *set;
    const struct caller *caller;
};

static int try_namespaces(void *context, struct error *error)
{
    const struct settling *settling = context;
    return namespace_settle(settling->set, settling->caller->uid, settling->caller->gid, error);
}

int node_namespaces(const struct namespace_set *set, const struct caller *caller,
                    struct error *error)
{
    struct settling settling = {.set = set, .caller = caller};
    return trial_run(set, try_namespaces, &settling, NULL, error);
}

/* A run whose job is to mount one file system and to unmount it. */
struct mounting {
    enum mode_number number;
    const struct paths *paths;
    const struct caller *caller;
    struct mode mode;
};

static int mount_and_unmount(const struct mode *mode, struct error *error)
{
    static const char directory[] = ROOT_REPOSITORIES "/check";
    auto_root struct root root = {.directory = NULL};
    int result = root_prepare(&root, NULL, error);
    if (result < 0)
        return result;
    if (mkdir(directory, 0755) < 0)
        return error_system(error, -errno, "making %s", directory);
    auto_fd int device = mode_mount(mode, directory, false, error);
    if (device < 0)
        return device;
    (void)mode_unmount(mode, directory, MNT_DETACH); /* the end of the run does it, too */
    return 0;
}

static int be_process_one(void *context, bool pid_namespace, int lifeline)
{
    const struct mounting *mounting = context;
    struct error error = ERROR_INIT;
    (void)pid_namespace;
    (void)lifeline;
    if (mount_and_unmount(&mounting->mode, &error) == 0)
        return 0;
    (void)dprintf(STDERR_FILENO, "%s\n", error.message); /* the exit code remains */
    return 1;
}

static int try_mode(void *context, struct error *error)
{
    struct mounting *mounting = context;
    struct caller caller = *mounting->caller;
    caller.terminal = -1; /* this process was never in the foreground */
    const char digits[] = {(char)('0' + mounting->number), '\0'};
    sigset_t signals;
    caller_signals(&signals);
    if (setenv(MODE_VARIABLE, digits, 1) < 0 || sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return error_system(error, -errno, "preparing a run");
    int result = mode_begin(&mounting->mode, mounting->paths, error);
    if (result == 0)
        result = outer_run(&caller, &mounting->mode, be_process_one, mounting, error);
    return result > 0 ? error_set(error, -EIO, "%s", "") : result; /* it has been said why */
}

int node_mode(enum mode_number number, const struct paths *paths, const struct caller *caller,
              struct error *error)
{
    struct mounting mounting = {.number = number, .paths = paths, .caller = caller};
    auto_text struct text said = TEXT_INIT;
    int result = trial_run(NULL, try_mode, &mounting, &said, error);
    if (result == -EIO && said.length > 0)
        return error_set(error, result, "%.*s", (int)strcspn(said.bytes, "\n"), said.bytes);
    return result;
}

/* Mounts and unmounts `path`, which is there. */
static int try_fusermount_on(const char *path, struct error *error)
{
    auto_fd int device = fusermount_mount(path, false, error);
    if (device < 0)
        return device;
    (void)close(steal_fd(&device)); /* so that nobody can wait for an answer */
    return fusermount_unmount(path, true, error);
}

static int try_fusermount(void *context, struct error *error)
{
    const char *directory = context;
    auto_text struct text path = TEXT_INIT;
    const bool was_there = access(directory, F_OK) == 0;
    if (text_printf(&path, "%s/.check.%ld", directory, (long)getpid()) < 0)
        return error_system(error, -ENOMEM, "trying fusermount");
    int result = directory_make(AT_FDCWD, path.bytes, 0755);
    if (result < 0) {
        error_system(error, result, "making %s", path.bytes);
    } else {
        result = try_fusermount_on(path.bytes, error);
        (void)rmdir(path.bytes); /* it is empty, and ours */
    }
    if (!was_there)
        (void)rmdir(directory); /* when somebody uses it meanwhile, it stays */
    return result;
}

int node_fusermount(const char *directory, struct error *error)
{
    auto_free char *copy = strdup(directory);
    if (!copy)
        return error_system(error, -ENOMEM, "trying fusermount");
    return trial_run_to_end(try_fusermount, copy, NULL, error);
}
