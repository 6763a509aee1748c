#include "payload/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/scope.h"

ssize_t file_read_full(int fd, void *buffer, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t count = read(fd, (char *)buffer + done, length - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        if (count == 0)
            break;
        done += (size_t)count;
    }
    return (ssize_t)done;
}

ssize_t file_pread_full(int fd, void *buffer, size_t length, off_t offset)
{
    size_t done = 0;
    while (done < length) {
        ssize_t count = pread(fd, (char *)buffer + done, length - done, offset + (off_t)done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        if (count == 0)
            break;
        done += (size_t)count;
    }
    return (ssize_t)done;
}

int file_write_full(int fd, const void *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t count = write(fd, (const char *)bytes + done, length - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        done += (size_t)count;
    }
    return 0;
}

int file_load(int directory, const char *path, size_t limit, struct text *text)
{
    auto_fd int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : file_load_fd(fd, limit, text);
}

int file_load_fd(int fd, size_t limit, struct text *text)
{
    char chunk[16384];
    const size_t before = text->length;
    for (;;) {
        ssize_t count = file_read_full(fd, chunk, sizeof chunk);
        int result = count < 0 ? (int)count : text_append(text, chunk, (size_t)count);
        if (result < 0)
            return result;
        if (text->length - before > limit)
            return -EFBIG;
        if ((size_t)count < sizeof chunk)
            return 0;
    }
}

/* A name beside `path` that no other process or thread uses. */
static int temporary_name(const char *path, struct text *name)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
        return -errno;
    return text_printf(name, "%s.%lx.%lx.new", path, (unsigned long)getpid(),
                       (unsigned long)now.tv_nsec ^ (unsigned long)(uintptr_t)&now);
}

int file_replace(int directory, const char *path, const void *bytes, size_t length, mode_t mode)
{
    auto_text struct text name = TEXT_INIT;
    int result = temporary_name(path, &name);
    if (result < 0)
        return result;
    auto_fd int fd =
        openat(directory, name.bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    result = file_write_full(fd, bytes, length);
    if (result == 0 && renameat(directory, name.bytes, directory, path) < 0)
        result = -errno;
    if (result < 0)
        (void)unlinkat(directory, name.bytes, 0); /* the first failure is the one to report */
    return result;
}

int directory_make(int directory, const char *path, mode_t mode)
{
    if (mkdirat(directory, path, mode) == 0)
        return 0;
    if (errno == ENOENT) {
        const char *slash = strrchr(path, '/');
        if (!slash || slash == path)
            return -ENOENT;
        auto_free char *parent = strndup(path, (size_t)(slash - path));
        if (!parent)
            return -ENOMEM;
        int result = directory_make(directory, parent, mode);
        if (result < 0)
            return result;
        if (mkdirat(directory, path, mode) == 0)
            return 0;
    }
    if (errno != EEXIST && errno != EROFS && errno != EACCES)
        return -errno;
    int failure = -errno;
    struct stat status;
    if (fstatat(directory, path, &status, 0) < 0)
        return failure;
    return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
}
