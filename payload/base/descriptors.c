/* close_range(2) where the kernel has it (5.9), otherwise one by one. */
#include "payload/base/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "payload/base/scope.h"

#ifndef SYS_close_range
#define SYS_close_range 436 /* the same number on every architecture */
#endif

static int close_listed(int first)
{
    auto_directory DIR *directory = opendir("/proc/thread-self/fd");
    if (!directory)
        directory = opendir("/proc/self/fd"); /* before Linux 3.17 */
    if (!directory)
        return -errno;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return -errno;
        char *end;
        long fd = strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0' && fd >= first && fd <= INT_MAX &&
            fd != dirfd(directory))
            (void)close((int)fd); /* it was listed, so it is open */
    }
}

int descriptors_close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
        return 0;
    return close_listed(first);
}

int descriptors_keep(int *kept, size_t count)
{
    const int end = 3 + (int)count;
    int next = 3;
    for (size_t index = 0; index < count; index++) {
        if (kept[index] < 0)
            continue;
        /* Out of the way first, so that none is overwritten. */
        int copy = fcntl(kept[index], F_DUPFD_CLOEXEC, end);
        if (copy < 0)
            return -errno;
        kept[index] = copy;
    }
    for (size_t index = 0; index < count; index++) {
        if (kept[index] < 0)
            continue;
        if (dup3(kept[index], next, O_CLOEXEC) < 0)
            return -errno;
        kept[index] = next++;
    }
    return descriptors_close_from(next);
}

int descriptors_open_null(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 || (errno != ENOENT && errno != ENOTDIR))
        return null < 0 ? -errno : null;
    null = memfd_create("null", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (null < 0 || fcntl(null, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW) == 0)
        return null < 0 ? -errno : null;
    int result = -errno;
    (void)close(null);
    return result;
}
