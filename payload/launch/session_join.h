/* Running a command in a session, for cvmfsexec --join. */
#ifndef CVMFSEXEC_LAUNCH_SESSION_JOIN_H
#define CVMFSEXEC_LAUNCH_SESSION_JOIN_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/launch/caller.h"
#include "payload/launch/paths.h"

struct session_join_plan {
    const char *name;
    const struct paths *paths; /* mountrepo and umountrepo are taken from there */
    struct caller *caller;     /* remembered by now */
    char **command;            /* see struct job */
    bool take_requests;        /* offer it to mount and unmount, if the session does */
};

/* Waits until the session is mounted, runs the command in its namespaces and waits for its end. The
 * working directory is the one of the same name there.
 *
 * When this process is killed, so are the command and all that it started. What the command leaves
 * behind when it ends goes on, until the session ends; as long as it does, the session is not idle.
 *
 * The command's exit code (128+N when signal N ended it); 137 when it was killed with the session;
 * or a negative errno: -ENOENT when there is no such session, -EPERM when its namespaces cannot be
 * entered from here. */
int session_join(const struct session_join_plan *plan, struct error *error);

#endif
