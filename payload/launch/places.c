/* Nothing is made where a link points to: it may be the mount point of a disk that is missing. */
#include "payload/launch/places.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/text.h"

int places_check_link(const char *path, struct error *error)
{
    char target[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof target);
    if (length < 0 || access(path, F_OK) == 0 || errno != ENOENT)
        return 0;
    return error_set(error, -ENOENT, "%s is a symbolic link to %.*s, which does not exist", path,
                     (int)length, target);
}

int places_prepare_log(const struct paths *paths, const char *fqrn, struct error *error)
{
    if (mkdir(paths->log, 0755) == 0)
        return 0;
    int result = places_check_link(paths->log, error);
    if (result < 0)
        return result;
    auto_text struct text file = TEXT_INIT;
    if (text_printf(&file, "%s/%s.log", paths->log, fqrn) < 0)
        return error_system(error, -ENOMEM, "preparing the log");
    if (access(file.bytes, W_OK) == 0)
        return 0;
    if (errno != ENOENT)
        return error_system(error, -errno, "%s cannot be written to", file.bytes);
    if (access(paths->log, W_OK | X_OK) < 0)
        return error_system(error, -errno, "nothing can be made in %s", paths->log);
    return 0;
}

void places_prepare_sockets(const struct paths *paths)
{
    auto_text struct text sockets = TEXT_INIT;
    if (text_printf(&sockets, "%s/var/run/cvmfs", paths->dist) == 0)
        (void)directory_make(AT_FDCWD, sockets.bytes, 0755);
}
