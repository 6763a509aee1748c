/* The process that looks after a command that has joined a session, and after what it leaves
 * behind.
 */
#ifndef CVMFSEXEC_LAUNCH_SESSION_ATTENDANT_H
#define CVMFSEXEC_LAUNCH_SESSION_ATTENDANT_H

#include <stdbool.h>

#include "payload/launch/job.h"

struct session_attendant {
    const struct job *job;
    int connection; /* to the session's process 1 */
    int lifeline;   /* a SOCK_SEQPACKET whose other end the joining process holds */
};

/* What it says over the lifeline, once. */
struct session_report {
    unsigned char code; /* the job's exit code: 128+N when signal N ended it */
    bool goes_on;       /* the job has left processes behind, and this one stays with them */
};

/* Runs in a process of its own inside of the namespaces: starts the job, passes signals on to it,
 * and reports its end over the lifeline; then stays until all that the job has started has ended,
 * too. Kills all of it when the lifeline closes before the job has ended, and
 * when the session is gone or says so. Its descriptors are gone when it returns; what it returns is
 * its exit code. */
int session_attend(const struct session_attendant *attendant);

#endif
