/* Staging and publishing by rename(2). What goes into the directory is not known here. */
#include "packer/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/remove.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

#define STAGE_PREFIX ".dist."
#define STAGE_PATTERN STAGE_PREFIX "XXXXXX"

static void held_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGHUP);
}

/* Under the lock nobody else is building here, so whatever has such a name is a leftover. */
static int remove_leftovers(int parent, struct error *error)
{
    int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_directory DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream)
        return error_system(error, -errno, "listing the directory");
    for (const struct dirent *entry; (entry = readdir(stream));) {
        if (!string_starts_with(entry->d_name, STAGE_PREFIX) ||
            strlen(entry->d_name) != strlen(STAGE_PATTERN))
            continue;
        int result = directory_remove(parent, entry->d_name);
        if (result < 0)
            return error_system(error, result, "removing the leftover %s", entry->d_name);
    }
    return 0;
}

int stage_open(const char *parent, struct stage *stage, struct error *error)
{
    sigset_t held;
    held_signals(&held);
    if (sigprocmask(SIG_BLOCK, &held, &stage->before) < 0)
        return error_system(error, -errno, "holding signals back");
    stage->holding = true;
    stage->parent = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (stage->parent < 0)
        return error_system(error, -errno, "opening %s", parent);
    int result = 0;
    if (flock(stage->parent, LOCK_EX | LOCK_NB) == 0)
        result = remove_leftovers(stage->parent, error);
    else if (errno == EWOULDBLOCK)
        result = error_set(error, -EBUSY, "another process is building a tree");
    /* Any other failure: a file system that cannot lock a directory, as NFS. The rename decides. */
    if (result < 0)
        return error_prefix(error, "%s", parent);

    auto_text struct text path = TEXT_INIT;
    if (text_printf(&path, "%s/%s", parent, STAGE_PATTERN) < 0)
        return error_system(error, -ENOMEM, "making a directory in %s", parent);
    if (!mkdtemp(path.bytes))
        return error_system(error, -errno, "making a directory in %s", parent);
    (void)snprintf(stage->name, sizeof stage->name, "%s", strrchr(path.bytes, '/') + 1);
    stage->fd = openat(stage->parent, stage->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (stage->fd < 0 || fchmod(stage->fd, 0755) < 0)
        return error_system(error, -errno, "opening %s", path.bytes);
    return 0;
}

int stage_interrupted(const struct stage *stage, struct error *error)
{
    sigset_t held, pending;
    held_signals(&held);
    if (sigpending(&pending) < 0)
        return error_system(error, -errno, "asking for signals");
    for (int signal_number = 1; signal_number < NSIG; signal_number++)
        if (sigismember(&held, signal_number) == 1 && sigismember(&pending, signal_number) == 1 &&
            sigismember(&stage->before, signal_number) == 0)
            return error_set(error, -EINTR, "interrupted");
    return 0;
}

int stage_publish(struct stage *stage, const char *final, struct error *error)
{
    int result = renameat2(stage->parent, stage->name, stage->parent, final, RENAME_NOREPLACE);
    if (result < 0 && (errno == EINVAL || errno == ENOSYS)) /* not every file system has the flag */
        result = renameat(stage->parent, stage->name, stage->parent, final);
    if (result < 0)
        return error_system(error, -errno, "putting %s into place", final);
    stage->name[0] = '\0';
    return 0;
}

void stage_close(struct stage *stage)
{
    if (stage->name[0] != '\0')
        (void)directory_remove(stage->parent, stage->name); /* the next builder tries again */
    if (stage->fd >= 0)
        (void)close(stage->fd);
    if (stage->parent >= 0)
        (void)close(stage->parent);
    if (stage->holding)
        (void)sigprocmask(SIG_SETMASK, &stage->before, NULL);
    *stage = (struct stage)STAGE_INIT;
}
