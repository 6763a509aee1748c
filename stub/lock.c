/* flock(2) on a file that is removed by its holder. Whoever gets the lock must therefore look
 * whether the file it locked still is the one that has the name; a lock on a removed file excludes
 * nobody. */
#include "stub/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "payload/base/scope.h"

static int open_lock(int directory, const char *name)
{
    const int flags = O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    int fd = openat(directory, name, O_RDWR | O_CREAT | flags, 0644);
    /* Another user's file: to read is enough for a lock, except on NFS. */
    if (fd < 0 && errno == EACCES)
        fd = openat(directory, name, O_RDONLY | flags);
    return fd < 0 ? -errno : fd;
}

static bool has_name(int fd, int directory, const char *name)
{
    struct stat locked;
    struct stat named;
    return fstat(fd, &locked) == 0 && fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

int lock_try(int directory, const char *name, int *fd)
{
    auto_fd int opened = open_lock(directory, name);
    if (opened < 0)
        return opened;
    if (flock(opened, LOCK_EX | LOCK_NB) < 0) {
        int result = -errno;
        if (result == -EWOULDBLOCK || result == -EINTR)
            return 0;
        if (result != -EBADF)                   /* NFS, of another user's file open for reading */
            (void)unlinkat(directory, name, 0); /* it can be of no use to anybody here */
        return result;
    }
    if (!has_name(opened, directory, name))
        return 0; /* its holder has just finished */
    *fd = steal_fd(&opened);
    return 1;
}

void lock_release(int directory, const char *name, int *fd)
{
    (void)unlinkat(directory, name, 0); /* one that stays is in nobody's way */
    scope_close_fd(fd);
    *fd = -1;
}
