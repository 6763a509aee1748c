/* The process that looks after a command that has joined a session, and after what it leaves
 * behind.
 */
#ifndef CVMFSEXEC_LAUNCH_SESSION_ATTENDANT_H
#define CVMFSEXEC_LAUNCH_SESSION_ATTENDANT_H

#include "payload/launch/job.h"

struct session_attendant {
    const struct job *job;
    int connection; /* to the session's process 1 */
    int lifeline;   /* a SOCK_SEQPACKET whose other end the joining process holds */
};

/* Runs in a process of its own inside of the namespaces: starts the job; sends it the signals whose
 * numbers come over the lifeline, a byte each; and reports its exit code there in the same way
 * (128+N when signal N ended it). Then it stays until all that the job has started has ended, too.
 * Kills all of it when the lifeline closes before the job has ended, and when the session is gone
 * or says so. The process has no other descriptors when this returns. */
void session_attend(const struct session_attendant *attendant);

/* Reports an exit code, and closes the lifeline. */
void session_report(int lifeline, int code);

#endif
