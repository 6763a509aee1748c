#include "payload/base/remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/scope.h"

/* Each level holds a descriptor. */
#define DEPTH_LIMIT 128

/* The file system of the level above; unknown for the topmost. */
struct level {
    dev_t device;
    int depth;
};

static int remove_level(int directory, const char *name, const struct level *above);

static int remove_content(int fd, const struct level *level)
{
    auto_directory DIR *stream = fdopendir(fd);
    if (!stream) {
        int failure = -errno;
        (void)close(fd);
        return failure;
    }
    int first = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (!entry)
            return first < 0 ? first : -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int result = remove_level(dirfd(stream), entry->d_name, level);
        if (first == 0)
            first = result;
    }
}

/* Opens a directory for emptying it; a read-only copy of a tree has directories without w or x. */
static int open_level(int directory, const char *name, const struct level *above,
                      struct level *level)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    auto_fd int fd = openat(directory, name, flags);
    if (fd < 0 && errno == EACCES && fchmodat(directory, name, S_IRWXU, 0) == 0)
        fd = openat(directory, name, flags);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (above->depth > 0 && status.st_dev != above->device)
        return -EBUSY;
    if ((status.st_mode & S_IRWXU) != S_IRWXU)
        (void)fchmod(fd, S_IRWXU); /* where it fails the removals will, and say so */
    *level = (struct level){.device = status.st_dev, .depth = above->depth + 1};
    return steal_fd(&fd);
}

static int remove_level(int directory, const char *name, const struct level *above)
{
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM) /* what Linux and POSIX say of directories */
        return -errno;
    if (above->depth > DEPTH_LIMIT)
        return -ELOOP;
    struct level level;
    int fd = open_level(directory, name, above, &level);
    if (fd < 0)
        return fd;
    int result = remove_content(fd, &level);
    if (unlinkat(directory, name, AT_REMOVEDIR) < 0 && errno != ENOENT && result == 0)
        result = -errno;
    return result;
}

int directory_remove(int directory, const char *name)
{
    const struct level top = {.depth = 0};
    return remove_level(directory, name, &top);
}
