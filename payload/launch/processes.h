/* The processes that run under the launcher. */
#ifndef CVMFSEXEC_LAUNCH_PROCESSES_H
#define CVMFSEXEC_LAUNCH_PROCESSES_H

#include <stddef.h>
#include <sys/types.h>

struct processes {
    pid_t *pids;
    size_t count;
    size_t capacity;
};

#define PROCESSES_INIT                          \
    {                                           \
        .pids = NULL, .count = 0, .capacity = 0 \
    }

/* As fork(2), for a process of one thread and without signal handlers: without the six calls by
 * which a C library prepares for others. */
pid_t processes_fork(void);

/* Appends the children of the calling process, as /proc shows them. When `below` is not NULL, only
 * those whose executable is in that directory or under it. 0 or a negative errno. */
int processes_add_children(struct processes *processes, const char *below);

/* Takes out a process, if it is there. */
void processes_remove(struct processes *processes, pid_t pid);

/* Kills all children, and with a "child subreaper" (prctl(2)) or as process 1 their children in
 * turn, until none is left. 0 or a negative errno. */
int processes_kill_all(void);

/* The same, but spares the child `spared`, unless it is -1, and those whose executable is in the
 * directory `spared_below` or under it, unless that is NULL. */
int processes_kill_others(pid_t spared, const char *spared_below);

void processes_free(struct processes *processes);

#define auto_processes __attribute__((cleanup(processes_free)))

#endif
