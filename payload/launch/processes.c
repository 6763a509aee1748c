/* Children, found in /proc: those that were adopted too, which no fork of ours knows of. */
#include "payload/launch/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/scope.h"

pid_t processes_fork(void)
{
    return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static int add(struct processes *processes, pid_t pid)
{
    if (processes->count == processes->capacity) {
        size_t capacity = processes->capacity ? 2 * processes->capacity : 16;
        pid_t *pids = reallocarray(processes->pids, capacity, sizeof *pids);
        if (!pids)
            return -ENOMEM;
        processes->pids = pids;
        processes->capacity = capacity;
    }
    processes->pids[processes->count++] = pid;
    return 0;
}

/* "PID (NAME) STATE PARENT ...", where NAME may hold anything: proc_pid_stat(5). */
static pid_t parent_of(int proc, const char *name)
{
    char path[NAME_MAX + 8];
    char line[512];
    (void)snprintf(path, sizeof path, "%s/stat", name);
    auto_fd int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = read(fd, line, sizeof line - 1); /* which is never cut, proc(5) */
    if (length <= 0)
        return -1;
    line[length] = '\0';
    const char *behind_name = strrchr(line, ')');
    if (!behind_name || strlen(behind_name) < 5)
        return -1;
    return (pid_t)strtol(behind_name + 4, NULL, 10);
}

static bool runs_from(int proc, const char *name, const char *directory)
{
    char path[NAME_MAX + 8];
    char target[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/exe", name);
    ssize_t length = readlinkat(proc, path, target, sizeof target - 1);
    size_t wanted = strlen(directory);
    return length > (ssize_t)wanted && target[wanted] == '/' &&
           memcmp(target, directory, wanted) == 0;
}

int processes_add_children(struct processes *processes, const char *below)
{
    auto_directory DIR *directory = opendir("/proc");
    if (!directory)
        return -errno;
    const int proc = dirfd(directory);
    const pid_t self = getpid();
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return -errno;
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
            parent_of(proc, entry->d_name) != self ||
            (below && !runs_from(proc, entry->d_name, below)))
            continue;
        int result = add(processes, (pid_t)strtol(entry->d_name, NULL, 10));
        if (result < 0)
            return result;
    }
}

void processes_remove(struct processes *processes, pid_t pid)
{
    for (size_t index = 0; index < processes->count; index++) {
        if (processes->pids[index] == pid) {
            processes->pids[index] = processes->pids[--processes->count];
            return;
        }
    }
}

static int remove_children_below(struct processes *processes, const char *directory)
{
    auto_processes struct processes below = PROCESSES_INIT;
    int result = directory ? processes_add_children(&below, directory) : 0;
    for (size_t index = 0; index < below.count; index++)
        processes_remove(processes, below.pids[index]);
    return result;
}

int processes_kill_others(pid_t spared, const char *spared_below)
{
    for (;;) {
        auto_processes struct processes children = PROCESSES_INIT;
        int result = processes_add_children(&children, NULL);
        processes_remove(&children, spared);
        if (result == 0)
            result = remove_children_below(&children, spared_below);
        if (result < 0 || children.count == 0)
            return result;
        for (size_t index = 0; index < children.count; index++)
            (void)kill(children.pids[index], SIGKILL); /* one that is gone is what is wanted */
        for (size_t index = 0; index < children.count; index++)
            (void)waitpid(children.pids[index], NULL, 0);
    }
}

int processes_kill_all(void)
{
    return processes_kill_others(-1, NULL);
}

void processes_free(struct processes *processes)
{
    free(processes->pids);
    *processes = (struct processes)PROCESSES_INIT;
}
