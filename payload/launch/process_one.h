/* Process 1 of the namespaces: mounts, runs the job, looks after all that runs. */
#ifndef CVMFSEXEC_LAUNCH_PROCESS_ONE_H
#define CVMFSEXEC_LAUNCH_PROCESS_ONE_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"
#include "payload/base/text.h"
#include "payload/launch/caller.h"
#include "payload/launch/mode.h"
#include "payload/launch/paths.h"
#include "payload/launch/root.h"
#include "payload/launch/session_keeper.h"

/* What to do. */
struct process_one_plan {
    const struct paths *paths;
    const struct caller *caller;
    const struct mode *mode;
    struct root *root;
    const struct strings *repositories;
    char **command;                 /* see struct job */
    struct session_keeper *session; /* served in place of a command, or NULL */
    bool take_requests;             /* offer the job to mount and unmount */
    bool pid_namespace;             /* whether the kernel ends everything when this process ends */
    int lifeline;                   /* a socket whose other end the outer process holds */
};

/* Mounts the config repository, then all others at once; runs the command and takes requests; when
 * it has ended, unmounts, and lets the clients end by themselves. Returns the exit code: the
 * job's status (128+N when signal N ended it), or that of the first client that failed, with
 * `report` told what it said; or a negative errno. A session, when it is over, has its guests'
 * processes end first; its code is 0 then. */
int process_one_run(const struct process_one_plan *plan, struct text *report, struct error *error);

#endif
