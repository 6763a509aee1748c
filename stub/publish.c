/* The steps in their order, at the end of the file. What a tree consists of is unpack.c's and what
 * is carried over carry.c's. */
#include "stub/publish.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "stub/carry.h"
#include "stub/lock.h"
#include "stub/place.h"
#include "stub/unpack.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

enum {
    WAIT_SECONDS = 120,         /* for a lock; its holder may be stopped, or a node that is gone */
    WAIT_STEP_LIMIT = 50000000, /* nanoseconds between two looks */
    FOREIGN_STALE_SECONDS = 3600,
    NODE_LENGTH = 64,
    NAME_SIZE = 160
};

/* The names beside the tree. */
struct names {
    char tree[32];
    char lock[40];
    char any_staging[40];         /* what the names of all staging directories begin with ... */
    char own_staging[NAME_SIZE];  /* ... those of this node ... */
    char staging[NAME_SIZE + 32]; /* ... and ours */
};

/* A name that no other staging directory has. */
static int name_staging(const struct names *names, char name[NAME_SIZE + 32])
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return -errno;
    (void)snprintf(name, NAME_SIZE + 32, "%s%016llx", names->own_staging,
                   (unsigned long long)random);
    return 0;
}

static int name_all(struct names *names, const struct bundle *bundle)
{
    struct utsname system;
    if (uname(&system) < 0)
        return -errno;
    for (char *byte = system.nodename; *byte; byte++) {
        if (*byte == '/' || *byte == '-')
            *byte = '_';
    }
    (void)snprintf(names->tree, sizeof names->tree, "%s", bundle_directory_name(bundle));
    (void)snprintf(names->lock, sizeof names->lock, "%s.lock", names->tree);
    (void)snprintf(names->any_staging, sizeof names->any_staging, "%s.new-", names->tree);
    (void)snprintf(names->own_staging, sizeof names->own_staging, "%s%.*s-", names->any_staging,
                   NODE_LENGTH, system.nodename);
    return name_staging(names, names->staging);
}

/* Whether a directory belongs to somebody who decides anyway what runs here. */
static bool has_trusted_owner(const struct publish_options *options, const struct stat *status)
{
    return status->st_uid == geteuid() || status->st_uid == 0 || status->st_uid == options->owner;
}

/* Opens a tree that may be trusted to be what its owner wants it to be; -1 for any other. */
static int open_trusted(const struct publish_options *options, const char *name)
{
    auto_fd int tree =
        openat(options->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (tree < 0 || fstat(tree, &status) < 0 || (status.st_mode & 022) != 0 ||
        !has_trusted_owner(options, &status))
        return -1;
    return steal_fd(&tree);
}

bool publish_is_ready(const struct publish_options *options)
{
    char wanted[BUNDLE_STAMP_LENGTH];
    char found[BUNDLE_STAMP_LENGTH + 1];
    auto_fd int tree = open_trusted(options, bundle_directory_name(options->bundle));
    if (tree < 0)
        return false;
    auto_fd int stamp = openat(tree, BUNDLE_STAMP, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (stamp < 0 || file_read_full(stamp, found, sizeof found) != BUNDLE_STAMP_LENGTH)
        return false;
    bundle_stamp(options->bundle, wanted);
    return memcmp(found, wanted, sizeof wanted) == 0;
}

void publish_revoke(const struct publish_options *options)
{
    auto_fd int tree = open_trusted(options, bundle_directory_name(options->bundle));
    if (tree >= 0)
        (void)unlinkat(tree, BUNDLE_STAMP, 0); /* a stamp that stays fails again, and is reported */
}

/* Whether a staging directory may be removed by the holder of the lock: nobody else of this node
 * can be using it. On a network file system the lock may not reach another node, which has an
 * hour. */
static bool is_stale(const struct publish_options *options, const struct names *names,
                     const char *name)
{
    struct stat status;
    if (strncmp(name, names->any_staging, strlen(names->any_staging)) != 0 ||
        fstatat(options->parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        !has_trusted_owner(options, &status))
        return false;
    return strncmp(name, names->own_staging, strlen(names->own_staging)) == 0 ||
           status.st_mtime < time(NULL) - FOREIGN_STALE_SECONDS;
}

/* Removes what a killed extraction left. It may have been killed after it moved the cache of the
 * older tree, or between moving the older tree away and moving the newer one in: what is of value
 * is put back first. */
static void recover_stale(const struct publish_options *options, const struct names *names,
                          const char *name)
{
    auto_fd int stale =
        openat(options->parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (stale >= 0 && carry_is_due(stale)) {
        auto_fd int tree = open_trusted(options, names->tree);
        if (tree >= 0)
            carry_over(stale, tree);
        else if (renameat(options->parent, name, options->parent, names->tree) == 0)
            return;
    }
    (void)directory_remove(options->parent,
                           name); /* what stays is tried again by the next extraction */
}

static void recover_all_stale(const struct publish_options *options, const struct names *names)
{
    int fd = openat(options->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    auto_directory DIR *stream = fdopendir(fd);
    if (!stream) {
        (void)close(fd);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(stream))) {
        if (is_stale(options, names, entry->d_name))
            recover_stale(options, names, entry->d_name);
    }
}

static int make_staging(const struct publish_options *options, const struct names *names, int *fd,
                        struct error *error)
{
    if (mkdirat(options->parent, names->staging, 0755) < 0)
        return error_system(error, -errno, "cannot be written");
    *fd = openat(options->parent, names->staging, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0 || fchmod(*fd, 0755) < 0) /* whatever the umask and inherited lists say */
        return error_system(error, -errno, "opening %s", names->staging);
    auto_fd int trusted = open_trusted(options, names->staging);
    if (trusted < 0) /* no run would ever take it for ready */
        return error_set(error, -EPERM, "the file system there keeps no owners or modes");
    return place_probe(*fd, error);
}

static int fill_staging(const struct publish_options *options, int staging, struct error *error)
{
    const struct unpack_options unpack = {.file = options->file,
                                          .directory = staging,
                                          .progress = options->progress,
                                          .progress_context = options->progress_context};
    return unpack_bundle(options->bundle, &unpack, error);
}

/* Swaps the staged tree with what has the tree's name; afterwards that is under the name of the
 * staged one. Where the file system cannot do it in one step the older tree goes away first. */
static int exchange(const struct publish_options *options, const struct names *names)
{
    int parent = options->parent;
    if (syscall(SYS_renameat2, parent, names->staging, parent, names->tree, RENAME_EXCHANGE) == 0)
        return 0;
    char aside[NAME_SIZE + 32];
    int result = name_staging(names, aside);
    if (result == 0 && renameat(parent, names->tree, parent, aside) < 0)
        result = -errno;
    if (result < 0)
        return result;
    if (renameat(parent, names->staging, parent, names->tree) < 0) {
        result = -errno;
        (void)renameat(parent, aside, parent, names->tree); /* as it was, if that can be */
        return result;
    }
    return renameat(parent, aside, parent, names->staging) < 0 ? -errno : 0;
}

/* Puts the staged tree into place; what was there is removed. */
static int replace_tree(const struct publish_options *options, const struct names *names,
                        int staging, struct error *error)
{
    if (publish_is_ready(options)) /* it may be in use already */
        return error_set(error, -EEXIST, "another node has just unpacked the same");
    auto_fd int older = open_trusted(options, names->tree);
    if (older >= 0)
        carry_over(older, staging);
    if (renameat(options->parent, names->staging, options->parent, names->tree) == 0)
        return 0;
    int result = -errno;
    if (result == -EEXIST || result == -ENOTEMPTY || result == -ENOTDIR)
        result = exchange(options, names);
    if (result < 0) {
        if (older >= 0)
            carry_over(staging, older);
        return error_system(error, result, "putting the tree into place");
    }
    /* That is the older one now. Where mounts in it hold it, it stays. */
    (void)directory_remove(options->parent, names->staging);
    return 0;
}

/* A stamp cut short by a full disk or a kill fits no bundle: it needs no rename of its own. */
static int write_stamp(const struct publish_options *options, int tree, struct error *error)
{
    char stamp[BUNDLE_STAMP_LENGTH];
    bundle_stamp(options->bundle, stamp);
    auto_fd int fd = openat(tree, BUNDLE_STAMP, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int result = fd < 0 || fchmod(fd, 0644) < 0 ? -errno : file_write_full(fd, stamp, sizeof stamp);
    if (result == 0 && close(steal_fd(&fd)) < 0)
        result = -errno;
    return result < 0 ? error_system(error, result, "writing the stamp of the tree") : 0;
}

/* All of it, by the one process that does it. */
static int extract(const struct publish_options *options, const struct names *names,
                   struct error *error)
{
    auto_fd int staging = -1;
    int result = make_staging(options, names, &staging, error);
    if (result == 0)
        result = fill_staging(options, staging, error);
    if (result == 0)
        result = replace_tree(options, names, staging, error);
    if (result < 0)
        (void)directory_remove(options->parent, names->staging);
    else
        result = write_stamp(options, staging, error);
    return result;
}

/* Waits for the lock, or until another process has done the work. By looking again and again and
 * not in flock(2), because a lock may never come free: its holder is stopped, or was on a node that
 * died. */
static void wait_for_lock(const struct publish_options *options, const struct names *names,
                          int *lock)
{
    struct timespec now;
    struct timespec step = {.tv_nsec = 1000000};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    const time_t deadline = now.tv_sec + WAIT_SECONDS;
    while (now.tv_sec < deadline && lock_try(options->parent, names->lock, lock) == 0 &&
           !publish_is_ready(options)) {
        (void)nanosleep(&step, NULL);
        if (step.tv_nsec < WAIT_STEP_LIMIT)
            step.tv_nsec *= 2;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    }
}

/* A tree of another user is his to replace: we could move it away, but not remove it. */
static int check_older(const struct publish_options *options, const struct names *names,
                       struct error *error)
{
    if (faccessat(options->parent, names->tree, W_OK, 0) == 0 || errno != EACCES)
        return 0;
    return error_set(error, -EPERM, "%s there belongs to another user", names->tree);
}

int publish_bundle(const struct publish_options *options, struct error *error)
{
    struct names names;
    int lock = -1;
    int result = name_all(&names, options->bundle);
    if (result < 0)
        return error_system(error, result, "naming a directory to unpack to");
    result = check_older(options, &names, error);
    if (result < 0)
        return result;
    wait_for_lock(options, &names, &lock);
    if (!publish_is_ready(options)) {
        if (lock >= 0)
            recover_all_stale(options, &names);
        result = extract(options, &names, error);
        if (result < 0 && publish_is_ready(options)) /* another node was quicker */
            result = 0;
    }
    if (lock >= 0)
        lock_release(options->parent, names.lock, &lock);
    return result;
}
