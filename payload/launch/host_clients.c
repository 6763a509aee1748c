/* Found in /proc by what they were started as: their mounts are gone, and nobody's children are
 * they. Looked at again and again, for they can be waited for in no other way before Linux 5.3. */
#include "payload/launch/host_clients.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

enum {
    WAIT_SECONDS = 5,
    FIRST_STEP = 1000000, /* nanoseconds between two looks */
    STEP_LIMIT = 50000000,
    COMMAND_LINE_LIMIT = 2 * PATH_MAX /* a client's begins with few and short words besides */
};

/* Whether one of the strings in `lines`, which end on NUL, is `wanted`. */
static bool has_word(const char *lines, size_t length, const char *wanted)
{
    for (size_t start = 0; start < length; start += strlen(lines + start) + 1) {
        if (strcmp(lines + start, wanted) == 0)
            return true;
    }
    return false;
}

static bool is_in_namespace(int proc, const char *name, const struct stat *own)
{
    char path[NAME_MAX + 16];
    struct stat status;
    (void)snprintf(path, sizeof path, "%s/ns/mnt", name);
    return fstatat(proc, path, &status, 0) == 0 && status.st_ino == own->st_ino &&
           status.st_dev == own->st_dev;
}

/* What has ended, and only waits to be asked for its status, has no command line any more. */
static bool is_client(int proc, const char *name, const struct paths *paths, const char *fqrn,
                      const struct stat *own)
{
    char path[NAME_MAX + 16];
    char line[COMMAND_LINE_LIMIT];
    (void)snprintf(path, sizeof path, "%s/cmdline", name);
    auto_fd int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : file_read_full(fd, line, sizeof line - 1);
    if (length <= 0)
        return false;
    line[length] = '\0';
    return has_word(line, (size_t)length, paths->client) &&
           (!fqrn || has_word(line, (size_t)length, fqrn)) && is_in_namespace(proc, name, own);
}

static bool is_any_left(const struct paths *paths, const char *fqrn)
{
    struct stat own;
    auto_directory DIR *directory = opendir("/proc");
    if (!directory || stat("/proc/self/ns/mnt", &own) < 0)
        return false;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            is_client(dirfd(directory), entry->d_name, paths, fqrn, &own))
            return true;
    }
    return false;
}

void host_clients_wait(const struct paths *paths, const char *fqrn)
{
    struct timespec now;
    struct timespec step = {.tv_nsec = FIRST_STEP};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const time_t deadline = now.tv_sec + WAIT_SECONDS;
    while (now.tv_sec < deadline && is_any_left(paths, fqrn)) {
        (void)nanosleep(&step, NULL);
        if (step.tv_nsec < STEP_LIMIT)
            step.tv_nsec *= 2;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    }
}
