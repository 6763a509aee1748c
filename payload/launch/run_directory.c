/* Making, locking and clearing the directories of runs. Knows no list of mounts: a directory that
 * cannot be removed because it is busy is one that something is mounted on (rmdir(2)), and that is
 * true even of a directory which was moved meanwhile, with the tree around it. */
#include "payload/launch/run_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/fusermount.h"

#define TEMPORARY "/tmp"
#define SUFFIX "XXXXXX" /* mkdtemp(3) */
#define SUFFIX_LENGTH 6
#define ATTEMPTS 10

/* ".cvmfsexec-run.NODE." */
static int name_prefix(struct text *prefix)
{
    struct utsname system;
    if (uname(&system) < 0)
        return -errno;
    for (char *letter = system.nodename; *letter; letter++) {
        if (*letter == '/')
            *letter = '_';
    }
    return text_printf(prefix, ".cvmfsexec-run.%s.", system.nodename);
}

/* 0 when it is locked and still there; -EAGAIN when somebody else holds or removed it. */
static int lock(int directory)
{
    struct stat status;
    if (flock(directory, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    if (fstat(directory, &status) < 0)
        return -errno;
    return status.st_nlink == 0 ? -EAGAIN : 0;
}

/* Another run that looks for stale directories may take a new one for such before it is locked. */
static int try_make(const char *parent, const char *prefix, struct run_directory *run)
{
    auto_text struct text path = TEXT_INIT;
    if (text_printf(&path, "%s/%s" SUFFIX, parent, prefix) < 0)
        return -ENOMEM;
    auto_fd int above = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0 || !mkdtemp(path.bytes))
        return -errno;
    const char *name = path.bytes + strlen(parent) + 1;
    auto_fd int directory = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int result = directory < 0 ? -errno : lock(directory);
    if (result == -ENOENT)
        return -EAGAIN;
    if (result == 0) {
        run->name = strdup(name);
        result = run->name ? 0 : -ENOMEM;
    }
    if (result < 0) {
        (void)unlinkat(above, name, AT_REMOVEDIR); /* the other run may have been quicker */
        return result;
    }
    run->parent = steal_fd(&above);
    run->directory = steal_fd(&directory);
    return 0;
}

static int make_in(const char *parent, const char *prefix, struct run_directory *run)
{
    int result = -EAGAIN;
    for (int attempt = 0; result == -EAGAIN && attempt < ATTEMPTS; attempt++)
        result = try_make(parent, prefix, run);
    return result;
}

int run_directory_make(const struct paths *paths, struct run_directory *run, struct error *error)
{
    auto_text struct text prefix = TEXT_INIT;
    int result = name_prefix(&prefix);
    if (result < 0)
        return error_system(error, result, "naming a directory for mounts");
    if (make_in(paths->home, prefix.bytes, run) == 0)
        return 0;
    result = make_in(TEMPORARY, prefix.bytes, run);
    return result < 0
               ? error_system(error, result, "making a directory for mounts in %s or " TEMPORARY,
                              paths->home)
               : 0;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* In the working directory. */
static int clear_entry(const char *name)
{
    if (rmdir(name) == 0)
        return 0;
    if (errno != EBUSY)
        return -errno;
    int result = fusermount_unmount(name, true, NULL);
    return result == 0 && rmdir(name) < 0 ? -errno : result;
}

static int clear(int directory)
{
    if (fchdir(directory) < 0)
        return -errno;
    auto_directory DIR *entries = opendir(".");
    if (!entries)
        return -errno;
    int result = 0;
    for (;;) {
        const struct dirent *entry = readdir(entries);
        if (!entry)
            return result;
        int one = is_dots(entry->d_name) ? 0 : clear_entry(entry->d_name);
        if (result == 0)
            result = one;
    }
}

int run_directory_remove(const struct run_directory *run)
{
    int result = clear(run->directory);
    if (fchdir(run->parent) < 0 && result == 0)
        result = -errno;
    if (unlinkat(run->parent, run->name, AT_REMOVEDIR) < 0 && errno != ENOENT && result == 0)
        result = -errno;
    return result;
}

static void remove_if_stale(int parent, const char *name)
{
    char copy[NAME_MAX + 1];
    struct stat status;
    auto_fd int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (directory < 0 || fstat(directory, &status) < 0 || status.st_uid != geteuid() ||
        strlen(name) >= sizeof copy || lock(directory) < 0)
        return;
    const struct run_directory run = {
        .parent = parent, .directory = directory, .name = strcpy(copy, name)};
    (void)run_directory_remove(&run); /* what stays is for the run after this one */
}

static void remove_stale_in(const char *place, const char *prefix)
{
    auto_directory DIR *parent = opendir(place);
    while (parent) {
        const struct dirent *entry = readdir(parent);
        if (!entry)
            return;
        if (string_starts_with(entry->d_name, prefix) &&
            strlen(entry->d_name) == strlen(prefix) + SUFFIX_LENGTH)
            remove_if_stale(dirfd(parent), entry->d_name);
    }
}

void run_directory_remove_stale(const struct paths *paths)
{
    auto_text struct text prefix = TEXT_INIT;
    if (name_prefix(&prefix) < 0)
        return;
    remove_stale_in(paths->home, prefix.bytes);
    remove_stale_in(TEMPORARY, prefix.bytes);
}

void run_directory_free(struct run_directory *run)
{
    if (run->parent >= 0)
        (void)close(run->parent);
    if (run->directory >= 0)
        (void)close(run->directory); /* the lock ends with its last copy */
    free(run->name);
    *run = (struct run_directory)RUN_DIRECTORY_INIT;
}
