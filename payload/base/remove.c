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

static int remove_level(int directory, const char *name, int depth);

static int remove_content(int fd, int depth)
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
        int result = remove_level(dirfd(stream), entry->d_name, depth + 1);
        if (first == 0)
            first = result;
    }
}

static int remove_level(int directory, const char *name, int depth)
{
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM) /* what Linux and POSIX say of directories */
        return -errno;
    if (depth > DEPTH_LIMIT)
        return -ELOOP;
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = remove_content(fd, depth);
    if (unlinkat(directory, name, AT_REMOVEDIR) < 0 && errno != ENOENT && result == 0)
        result = -errno;
    return result;
}

int directory_remove(int directory, const char *name)
{
    return remove_level(directory, name, 0);
}
