/* The command that the user wants to run. */
#ifndef CVMFSEXEC_LAUNCH_JOB_H
#define CVMFSEXEC_LAUNCH_JOB_H

#include <stdbool.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "payload/launch/caller.h"
#include "payload/launch/paths.h"

struct job {
    const struct paths *paths;
    const struct caller *caller;
    const char *directory; /* where it begins; NULL: the working directory */
    char **command;        /* its words, then NULL; none at all means $SHELL */
    int requests;          /* the job's end of the request sockets, or -1 */
    bool dies_with_us;     /* it is killed when the process is that starts it */
};

/* Gives $BEARER_TOKEN_FILE its default, for the job and for the clients, which look for tokens on
 * behalf of the job. 0 or a negative errno. */
int job_set_token_file(uid_t uid);

/* Starts the job in a new process; its pid or a negative errno. A command that cannot be executed
 * says so on standard error and ends with 127 (not found) or 126. */
pid_t job_start(const struct job *job, struct error *error);

#endif
