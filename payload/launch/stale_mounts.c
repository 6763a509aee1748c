/* The use of a directory is a lock on it, flock(2): shared by those who mount, exclusive for who
 * tidies up. */
#include "payload/launch/stale_mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/strings.h"
#include "payload/launch/fusermount.h"
#include "payload/launch/mount_table.h"
#include "payload/launch/processes.h"

#define LOOK_SECONDS 5
#define IS_STALE 1 /* exit code of a process that looked */

bool mount_is_stale(const char *path)
{
    struct stat status;
    return stat(path, &status) < 0 && errno == ENOTCONN;
}

pid_t mount_look_start(const char *path)
{
    pid_t pid = processes_fork();
    if (pid != 0)
        return pid < 0 ? -errno : pid;
    sigset_t none;
    (void)sigemptyset(&none);
    if (signal(SIGALRM, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        _exit(0);
    (void)alarm(LOOK_SECONDS);
    _exit(mount_is_stale(path) ? IS_STALE : 0);
}

bool mount_look_is_stale(int wait_status)
{
    return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == IS_STALE;
}

static void unmount_stale(const char *directory)
{
    auto_strings struct strings mounted = STRINGS_INIT;
    (void)mount_table_read(directory, &mounted); /* what is not found stays */
    for (size_t index = mounted.count; index > 0; index--) {
        const char *path = mounted.items[index - 1];
        if (mount_is_stale(path))
            (void)fusermount_unmount(path, true, NULL);
    }
}

/* Those that are mounted on, or not empty, are not removed by rmdir(2). */
static void remove_empty_directories(int directory)
{
    int copy = fcntl(directory, F_DUPFD_CLOEXEC, 0);
    auto_directory DIR *entries = copy < 0 ? NULL : fdopendir(copy);
    if (!entries)
        return;
    rewinddir(entries);
    for (;;) {
        const struct dirent *entry = readdir(entries);
        if (!entry)
            return;
        if (entry->d_name[0] != '.')
            (void)unlinkat(directory, entry->d_name, AT_REMOVEDIR);
    }
}

static void remove_stale(int directory, const char *path)
{
    if (flock(directory, LOCK_EX | LOCK_NB) < 0)
        return;
    unmount_stale(path);
    remove_empty_directories(directory);
}

void stale_mounts_remove(const char *directory)
{
    auto_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        remove_stale(fd, directory);
}

int stale_mounts_begin_use(const char *directory, int *use, struct error *error)
{
    int result = directory_make(AT_FDCWD, directory, 0755);
    if (result < 0)
        return error_system(error, result, "making %s", directory);
    auto_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, -errno, "opening %s", directory);
    remove_stale(fd, directory);
    /* On a file system without locks nothing keeps two from meeting: as if this were not here. */
    (void)flock(fd, LOCK_SH);
    *use = steal_fd(&fd);
    return 0;
}
