/* Starting a session, for cvmfsexec --session: namespaces that stay, with nothing in them at first
 * but what serves the repositories. */
#ifndef CVMFSEXEC_LAUNCH_SESSION_START_H
#define CVMFSEXEC_LAUNCH_SESSION_START_H

#include <stdbool.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"
#include "payload/launch/caller.h"
#include "payload/launch/session_keeper.h"

/* What the outer process of a session does: as outer_run, with `session` for its process 1.
 * `caller` is that process's own. When it fails, its words are on standard error. */
typedef int session_run(void *context, const struct caller *caller,
                        const struct session_plan *session, struct error *error);

struct session_start_plan {
    const char *name;
    const struct strings *repositories;
    const struct caller *caller; /* is given back, see caller_restore */
    pid_t with_pid;              /* the process that the session ends with, or 0 */
    long idle_seconds; /* see struct session_plan; negative: an hour, or for ever with a process */
    bool offer_requests; /* see struct session_plan */
    session_run *run;
    void *context;
};

/* Returns when the session is mounted, with 0; or, when a client fails, with its exit code after
 * saying on standard error what it said, and no session is left then; or with a negative errno. The
 * session's processes have no descriptor of this one, no terminal, and "/" as working directory.
 *
 * When there is a session of this name, or another process is just starting it, this waits until it
 * is mounted, says that it exists, and mounts in it what it lacks of the repositories. When this
 * process is killed while it waits for its own, that is not started, unless others wait for it. */
int session_start(const struct session_start_plan *plan, struct error *error);

#endif
