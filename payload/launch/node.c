/* The questions. Knows no modes, and nothing of the dist tree. */
#include "payload/launch/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/diagnosis.h"
#include "payload/launch/fuse_mount.h"
#include "payload/launch/fusermount.h"
#include "payload/launch/root.h"
#include "payload/launch/trial.h"

struct inside {
    const struct namespace_set *set;
    const struct caller *caller;
};

static int try_namespaces(void *context, struct error *error)
{
    const struct inside *inside = context;
    return namespace_settle(inside->set, inside->caller->uid, inside->caller->gid, error);
}

static int try_cvmfs(void *context, struct error *error)
{
    int result = try_namespaces(context, error);
    auto_root struct root root = {.directory = NULL};
    return result < 0 ? result : root_prepare(&root, NULL, error);
}

static int try_fuse_mount(void *context, struct error *error)
{
    static const char directory[] = ROOT_REPOSITORIES "/check";
    int result = try_cvmfs(context, error);
    if (result < 0)
        return result;
    if (mkdir(directory, 0755) < 0)
        return error_system(error, -errno, "making %s", directory);
    auto_fd int device = fuse_mount(directory, false, error);
    return device < 0 ? device : 0;
}

static int ask_inside(const struct namespace_set *set, const struct caller *caller,
                      trial_step *step, struct error *error)
{
    struct inside inside = {.set = set, .caller = caller};
    return trial_run(set, step, &inside, NULL, error);
}

int node_namespaces(const struct namespace_set *set, const struct caller *caller,
                    struct error *error)
{
    return ask_inside(set, caller, try_namespaces, error);
}

int node_cvmfs(const struct namespace_set *set, const struct caller *caller, struct error *error)
{
    return ask_inside(set, caller, try_cvmfs, error);
}

int node_fuse_mount(const struct namespace_set *set, const struct caller *caller,
                    struct error *error)
{
    return ask_inside(set, caller, try_fuse_mount, error);
}

int node_fuse_device(struct error *error)
{
    auto_fd int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    return fd < 0 ? diagnosis_fuse_device(-errno, error) : 0;
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
    auto_text struct text said = TEXT_INIT;
    if (!copy)
        return error_system(error, -ENOMEM, "trying fusermount");
    int result = trial_run_to_end(try_fusermount, copy, &said, error);
    /* What fusermount_mount() returns of the program's own failures. */
    if (result == -EIO || result == -ENOENT)
        return diagnosis_fusermount(said.length ? said.bytes : "", error);
    return result;
}
