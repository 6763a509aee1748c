/* Only finds places: what is there already, and what is put there, is publish.c's. */
#include "stub/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/scope.h"

enum { RUNG_BESIDE, RUNG_TMPDIR, RUNG_VAR_TMP, RUNG_TMP, RUNG_CACHE, RUNG_END };

/* Appends the directory a rung begins at. Nothing is appended where it does not exist: variables
 * that are unset, empty or relative. */
static int rung_base(unsigned rung, struct text *path)
{
    const char *base = NULL;
    const char *below = "";
    switch (rung) {
    case RUNG_TMPDIR:
        base = getenv("TMPDIR");
        break;
    case RUNG_VAR_TMP:
        base = "/var/tmp";
        break;
    case RUNG_TMP:
        base = "/tmp";
        break;
    default:
        base = getenv("XDG_CACHE_HOME");
        if (!base || base[0] != '/') {
            base = getenv("HOME");
            below = "/.cache";
        }
        break;
    }
    return base && base[0] == '/' ? text_printf(path, "%s%s", base, below) : 0;
}

/* FNV-1a, 64 bits: a short name for a path. Two paths with one key only share a place. */
static uint64_t path_key(const char *path)
{
    uint64_t key = UINT64_C(0xcbf29ce484222325);
    for (; *path; path++)
        key = (key ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
    return key;
}

/* Makes `name` unless it is there; it must be a directory that only this user can write and read.
 */
static int open_private(int parent, const char *name)
{
    if (mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    auto_fd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        return -EPERM;
    return steal_fd(&fd);
}

/* The place below a rung's base, whose path is in `path`. */
static int open_below(struct text *path, const char *beside)
{
    char user[64];
    char key[32];
    (void)snprintf(user, sizeof user, "cvmfsexec-%lu", (unsigned long)geteuid());
    (void)snprintf(key, sizeof key, "%016llx", (unsigned long long)path_key(beside));
    auto_fd int base = open(path->bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base < 0)
        return -errno;
    int result = text_printf(path, "/%s/%s", user, key);
    if (result < 0)
        return result;
    auto_fd int own = open_private(base, user);
    return own < 0 ? own : open_private(own, key);
}

int place_next(struct place_ladder *ladder, struct text *path, struct error *error)
{
    int fd;
    text_free(path);
    unsigned rung = ladder->rung++;
    if (rung == RUNG_BESIDE) {
        int result = text_append_string(path, ladder->beside);
        fd = result < 0 ? result
                        : openat(AT_FDCWD, ladder->beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (result == 0 && fd < 0)
            fd = -errno;
    } else {
        int result = 0;
        while (result == 0 && rung < RUNG_END && path->length == 0) {
            result = rung_base(rung, path);
            rung++;
        }
        ladder->rung = rung;
        if (result == 0 && path->length == 0)
            return error_set(error, -ENOENT, "no further directory to try");
        fd = result < 0 ? result : open_below(path, ladder->beside);
    }
    if (fd == -EPERM)
        return error_set(error, fd, "%s: belongs to another user or is open to others",
                         path->bytes);
    if (fd == -ENOENT)
        return error_set(error, -ENOTDIR, "%s: does not exist", path->bytes);
    return fd < 0 ? error_system(error, fd, "%s", path->length ? path->bytes : "a path") : fd;
}

/* Whether the kernel would start programs from the file: on a file system mounted noexec it
 * refuses to map them executable for the same reason as it refuses execve (mmap(2), EPERM). */
static int probe_execution(int fd)
{
    if (ftruncate(fd, 1) < 0)
        return -errno;
    void *mapped = mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED)
        return -errno;
    (void)munmap(mapped, 1);
    return 0;
}

int place_probe(int directory, struct error *error)
{
    static const char name[] = ".probe";
    auto_fd int fd =
        openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0700);
    if (fd < 0)
        return error_system(error, -errno, "cannot be written");
    int result = probe_execution(fd);
    (void)unlinkat(directory, name, 0);
    if (result == -EPERM || result == -EACCES)
        return error_set(error, result, "mounted noexec: programs cannot be started there");
    return result < 0 ? error_system(error, result, "trying to start a program there") : 0;
}
