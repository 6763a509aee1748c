/* Namespaces, user_namespaces(7) and pid_namespaces(7). The child writes its own id maps: it may
 * map its creator's ids to themselves without any privilege. It needs not be root inside, for the
 * first process of a user namespace holds all capabilities in it until it execs. */
#include "payload/launch/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/diagnosis.h"

const struct namespace_set namespace_sets[] = {
    {.user = false, .pid = true},
    {.user = false, .pid = false},
    {.user = true, .pid = true},
    {.user = true, .pid = false},
};
const size_t namespace_set_count = sizeof namespace_sets / sizeof *namespace_sets;

pid_t namespace_clone(const struct namespace_set *set)
{
    long flags = SIGCHLD | CLONE_NEWNS;
    if (set->user)
        flags |= CLONE_NEWUSER;
    if (set->pid)
        flags |= CLONE_NEWPID;
    /* Like fork(2): no new stack, nowhere to store ids. The C library has no fork with flags. */
    long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    return pid < 0 ? -errno : (pid_t)pid;
}

/* Here and elsewhere on the way of every start openat(2), for musl's open(2) sets close-on-exec
 * once more by a call of its own. */
static int write_file(const char *path, const char *words)
{
    auto_fd int fd = openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return file_write_full(fd, words, strlen(words));
}

static int map_id(const char *path, unsigned id, struct error *error)
{
    char line[64];
    (void)snprintf(line, sizeof line, "%u %u 1", id, id); /* three numbers fit */
    int result = write_file(path, line);
    if (result < 0 && id == 0)
        return diagnosis_root_map(result, path, error);
    return result < 0 ? diagnosis_inside(result, path, error) : 0;
}

/* Supplementary groups go on counting for permissions; what is given up is only to change them. */
static int deny_setgroups(struct error *error)
{
    int result = write_file("/proc/self/setgroups", "deny");
    if (result == -ENOENT) /* before Linux 3.19 there was nothing to deny */
        return 0;
    return result < 0 ? diagnosis_inside(result, "/proc/self/setgroups", error) : 0;
}

static int map_ids(uid_t uid, gid_t gid, struct error *error)
{
    int result = deny_setgroups(error);
    if (result == 0)
        result = map_id("/proc/self/gid_map", gid, error);
    if (result == 0)
        result = map_id("/proc/self/uid_map", uid, error);
    return result;
}

static int keep_mounts_inside(struct error *error)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return diagnosis_inside(-errno, "keeping mounts inside the namespace", error);
    return 0;
}

static int mount_proc(struct error *error)
{
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0)
        return 0;
    return error_system(error, errno == EPERM || errno == EACCES ? -EAGAIN : -errno,
                        "mounting a /proc for the new pid namespace");
}

int namespace_settle(const struct namespace_set *set, uid_t uid, gid_t gid, struct error *error)
{
    int result = set->user ? map_ids(uid, gid, error) : 0;
    if (result == 0)
        result = keep_mounts_inside(error);
    if (result == 0 && set->pid)
        result = mount_proc(error);
    return result;
}
