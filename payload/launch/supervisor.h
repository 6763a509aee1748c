/* The process outside of the namespaces that mounts for those inside, and unmounts what they left
 * half done ("mode 2"). It is started with the first request: in mode 3 there is none. It outlives
 * all others of its run by a moment, and no signal but KILL reaches it. */
#ifndef CVMFSEXEC_LAUNCH_SUPERVISOR_H
#define CVMFSEXEC_LAUNCH_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "payload/launch/paths.h"
#include "payload/launch/run_directory.h"

struct supervisor {
    const struct paths *paths;
    bool user_namespace; /* what is inside has one of its own */
    int requests;        /* our end of the mounter's sockets (mounter.h); owned */
    pid_t pid;           /* -1: it does not run */
    struct run_directory run;
};

/* To be called when there is something to read from `requests` and it does not run. What fails, is
 * answered to those who asked. */
void supervisor_start(struct supervisor *supervisor);

/* To be called when a child has ended, whichever it is. One that was killed is replaced. */
void supervisor_check(struct supervisor *supervisor);

/* To be called when nobody is left inside: returns when nothing is mounted any more. */
void supervisor_finish(struct supervisor *supervisor);

#endif
