/* Directories are moved whole by rename(2): nothing is copied, and open files of running clients
 * do not notice. */
#include "stub/carry.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/base/scope.h"

static const char *const carried[] = {
    "dist/var/lib/cvmfs", /* the cache */
    "dist/var/run/cvmfs", /* sockets of running clients */
    "dist/cvmfs",         /* mount points of mountrepo: a mount moves with the directory it is in */
    "log",
};

enum { CARRIED_COUNT = sizeof carried / sizeof carried[0] };

enum place_state { PLACE_ABSENT, PLACE_EMPTY, PLACE_TAKEN };

static enum place_state look_at(int tree, const char *path)
{
    struct stat status;
    if (fstatat(tree, path, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return PLACE_ABSENT;
    if (!S_ISDIR(status.st_mode))
        return PLACE_TAKEN;
    int fd = openat(tree, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return PLACE_TAKEN;
    auto_directory DIR *stream = fdopendir(fd);
    if (!stream) {
        (void)close(fd);
        return PLACE_TAKEN;
    }
    const struct dirent *entry;
    while ((entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return PLACE_TAKEN;
    }
    return PLACE_EMPTY;
}

bool carry_is_due(int from)
{
    for (size_t i = 0; i < CARRIED_COUNT; i++) {
        if (look_at(from, carried[i]) == PLACE_TAKEN)
            return true;
    }
    return false;
}

void carry_over(int from, int to)
{
    for (size_t i = 0; i < CARRIED_COUNT; i++) {
        if (look_at(from, carried[i]) != PLACE_TAKEN)
            continue;
        enum place_state state = look_at(to, carried[i]);
        if (state == PLACE_TAKEN)
            continue;
        if (state == PLACE_EMPTY && unlinkat(to, carried[i], AT_REMOVEDIR) < 0)
            continue;
        /* Fails where the way to it is missing, or it is a mount point itself. */
        if (renameat(from, carried[i], to, carried[i]) < 0 && state == PLACE_EMPTY)
            (void)mkdirat(to, carried[i], 0755);
    }
}
