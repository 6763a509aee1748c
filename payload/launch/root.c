/* Making /cvmfs. Needs no scratch directory: the tmpfs that becomes the new root is mounted on "/"
 * itself. A path that begins with "/" still leads into the old root then, since the process's root
 * directory lies beneath the new mount, and one that begins with "/.." into the new one: ".." of a
 * root is that root, and what is mounted on it (path_resolution(7), "..").
 *
 * The tmpfs has size=0, which is no limit but makes statfs(2) count no blocks: df lists only the
 * repositories. */
#include "payload/launch/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/diagnosis.h"

#define NEW_ROOT "/.."

static int mount_tmpfs(const char *where, struct error *error)
{
    if (mount("cvmfsexec", where, "tmpfs", MS_NOSUID | MS_NODEV, "size=0,mode=755") == 0)
        return 0;
    int code = diagnosis_inside(-errno, "a tmpfs", error);
    (void)error_prefix(error, "mounting on %s", where); /* words */
    return code;
}

static int bind_directory(int new_root, const char *name, const char *old, const char *new)
{
    if (mkdirat(new_root, name, 0755) < 0)
        return -errno;
    if (mount(old, new, NULL, MS_BIND | MS_REC, NULL) == 0)
        return 0;
    int code = -errno;
    (void)unlinkat(new_root, name, AT_REMOVEDIR); /* it is empty, and ours */
    return code;
}

static int bind_file(int new_root, const char *name, const char *old, const char *new)
{
    if (mknodat(new_root, name, S_IFREG | 0644, 0) < 0)
        return -errno;
    if (mount(old, new, NULL, MS_BIND, NULL) == 0)
        return 0;
    int code = -errno;
    (void)unlinkat(new_root, name, 0); /* it is empty, and ours */
    return code;
}

static int copy_link(int old_root, int new_root, const char *name)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(old_root, name, target, sizeof target - 1);
    if (length < 0)
        return -errno;
    target[length] = '\0';
    return symlinkat(target, new_root, name) < 0 ? -errno : 0;
}

static unsigned char entry_type(int old_root, const struct dirent *entry)
{
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    struct stat status;
    if (fstatat(old_root, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    return S_ISDIR(status.st_mode) ? DT_DIR : S_ISLNK(status.st_mode) ? DT_LNK : DT_REG;
}

/* An entry that cannot be taken over (it is unreadable, or gone by now) is no failure: a job that
 * needs it says so better than we can. */
static void take_over_entry(int old_root, int new_root, const struct dirent *entry)
{
    char old[NAME_MAX + 2];
    char new[NAME_MAX + 5];
    (void)snprintf(old, sizeof old, "/%s", entry->d_name); /* a name is at most NAME_MAX long */
    (void)snprintf(new, sizeof new, NEW_ROOT "/%s", entry->d_name);
    unsigned char type = entry_type(old_root, entry);
    if (type == DT_LNK)
        (void)copy_link(old_root, new_root, entry->d_name);
    else if (type == DT_DIR)
        (void)bind_directory(new_root, entry->d_name, old, new);
    else if (type != DT_UNKNOWN)
        (void)bind_file(new_root, entry->d_name, old, new);
}

/* `further` is NULL or a path like "/name". */
static bool is_made_anew(const char *name, const char *further)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           strcmp(name, &ROOT_REPOSITORIES[1]) == 0 || (further && strcmp(name, further + 1) == 0);
}

static int take_over_entries(int new_root, const char *further, struct error *error)
{
    auto_directory DIR *directory = opendir("/");
    if (!directory)
        return error_system(error, -errno, "reading the root directory");
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            break;
        if (!is_made_anew(entry->d_name, further))
            take_over_entry(dirfd(directory), new_root, entry);
    }
    if (errno != 0)
        return error_system(error, -errno, "reading the root directory");
    if (mkdirat(new_root, &ROOT_REPOSITORIES[1], 0755) < 0)
        return error_system(error, -errno, "making " ROOT_REPOSITORIES);
    if (further && mkdirat(new_root, further + 1, 0755) < 0)
        return error_system(error, -errno, "making %s", further);
    return 0;
}

/* The old root is stacked upon the new one for a moment, and then taken off. pivot_root(2),
 * "pivot_root(".", ".")". */
static int change_root(int new_root, struct error *error)
{
    if (fchdir(new_root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return error_system(error, -errno, "changing to the new root directory");
    if (umount2(".", MNT_DETACH) < 0)
        return error_system(error, -errno, "leaving the old root directory");
    return 0;
}

static bool is_in_repositories(const char *path)
{
    const size_t length = sizeof ROOT_REPOSITORIES - 1;
    return path && strncmp(path, ROOT_REPOSITORIES, length) == 0 &&
           (path[length] == '/' || path[length] == '\0');
}

int root_return_to(const char *name, int old, struct error *error)
{
    if (name && chdir(name) == 0)
        return 0;
    if (old >= 0 && fchdir(old) == 0)
        return 0;
    if (chdir("/") < 0)
        return error_system(error, -errno, "returning to the working directory");
    return 0;
}

static int replace_root(const char *directory, const char *further, struct error *error)
{
    /* The host's /cvmfs is not to be seen any more, not even as a working directory. */
    auto_fd int old_directory = is_in_repositories(directory)
                                    ? -1
                                    : openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int result = mount_tmpfs("/", error);
    if (result < 0)
        return result;
    auto_fd int new_root = openat(AT_FDCWD, NEW_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (new_root < 0)
        return error_system(error, -errno, "opening the new root directory");
    result = take_over_entries(new_root, further, error);
    if (result == 0)
        result = change_root(new_root, error);
    if (result == 0)
        result = root_return_to(directory, old_directory, error);
    return result;
}

static bool is_empty(const char *path)
{
    auto_directory DIR *directory = opendir(path);
    const struct dirent *entry = directory ? readdir(directory) : NULL;
    while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0))
        entry = readdir(directory);
    return directory && !entry;
}

/* Whether a file system over `path` hides all that the host has there. What is mounted on it or in
 * it would still be in the mount table, and in the way of those who count mounts. Behind a link our
 * mounts would have other names. */
static bool can_be_covered(const char *path)
{
    struct stat root;
    struct stat status;
    return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && stat("/", &root) == 0 &&
           status.st_dev == root.st_dev && is_empty(path);
}

static int cover(const char *further, struct error *error)
{
    int result = mount_tmpfs(ROOT_REPOSITORIES, error);
    return result == 0 && further ? mount_tmpfs(further, error) : result;
}

int root_prepare(struct root *root, const char *further, struct error *error)
{
    auto_free char *directory = getcwd(NULL, 0);
    const bool covered = can_be_covered(ROOT_REPOSITORIES) && (!further || can_be_covered(further));
    *root = (struct root){.mount_point = covered ? ROOT_REPOSITORIES : "/", .writable = true};
    int result = covered ? cover(further, error) : replace_root(directory, further, error);
    if (result == 0 && is_in_repositories(directory))
        root->directory = steal_pointer(directory);
    return result;
}

void root_free(struct root *root)
{
    free(root->directory);
    root->directory = NULL;
}

int root_set_writable(struct root *root, bool writable, struct error *error)
{
    if (root->writable == writable)
        return 0;
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV;
    if (!writable)
        flags |= MS_RDONLY;
    if (mount(NULL, root->mount_point, NULL, flags, NULL) < 0)
        return error_system(error, -errno, "making %s %s", root->mount_point,
                            writable ? "writable" : "read-only");
    root->writable = writable;
    return 0;
}
