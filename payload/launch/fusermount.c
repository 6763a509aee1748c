/* Running fusermount3, or fusermount where there is only that: the options used here mean the same
 * to both. A mounted device comes back over the socket named in $_FUSE_COMMFD, as a descriptor sent
 * along with one byte; fusermount3(1) leaves that to be known from libfuse. */
#include "payload/launch/fusermount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/launch/passing.h"

#define NOT_FOUND 127

static void execute(char **words)
{
    static const char *const programs[] = {"fusermount3", "/usr/bin/fusermount3", "fusermount",
                                           "/usr/bin/fusermount"};
    for (size_t index = 0; index < sizeof programs / sizeof *programs; index++)
        (void)execvp(programs[index], words);
}

/* 0 when the program says so, -ENOENT when there is none, -EIO when it failed. */
static int run(char **words, int socket, struct error *error)
{
    pid_t pid = fork();
    if (pid < 0)
        return error_system(error, -errno, "starting fusermount");
    if (pid == 0) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", socket);
        if (socket < 0 ||
            (fcntl(socket, F_SETFD, 0) == 0 && setenv("_FUSE_COMMFD", number, 1) == 0))
            execute(words);
        _exit(NOT_FOUND);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return error_system(error, -errno, "waiting for fusermount");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
        return error_set(error, -ENOENT,
                         "neither fusermount3 nor fusermount can be executed (root can install "
                         "them with the package fuse3)");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_set(error, -EIO, "fusermount failed");
    return 0;
}

int fusermount_mount(const char *path, bool check_permissions, struct error *error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_system(error, -errno, "making a socket for fusermount");
    auto_fd int ours = ends[0];
    auto_fd int theirs = ends[1];
    char name[] = "fusermount", option[] = "-o", end[] = "--";
    char plain[] = "fsname=/dev/fuse,ro,nosuid,nodev";
    char checking[] = "fsname=/dev/fuse,ro,nosuid,nodev,default_permissions";
    auto_free char *where = strdup(path);
    if (!where)
        return error_system(error, -ENOMEM, "mounting %s", path);
    char *words[] = {name, option, check_permissions ? checking : plain, end, where, NULL};
    int result = run(words, theirs, error);
    if (result < 0)
        return error_prefix(error, "mounting %s", path);
    int device = -1;
    char byte;
    if (passing_receive(ours, &byte, 1, &device) < 0 || device < 0)
        return error_set(error, -EIO, "mounting %s: fusermount sent no device", path);
    return device;
}

int fusermount_unmount(const char *path, bool lazily, struct error *error)
{
    char name[] = "fusermount", unmount[] = "-u", unmount_lazily[] = "-uz", end[] = "--";
    auto_free char *where = strdup(path);
    if (!where)
        return error_system(error, -ENOMEM, "unmounting %s", path);
    char *words[] = {name, lazily ? unmount_lazily : unmount, end, where, NULL};
    int result = run(words, -1, error);
    return result < 0 ? error_prefix(error, "unmounting %s", path) : 0;
}
