/* Ending a session, for cvmfsexec --end. */
#ifndef CVMFSEXEC_LAUNCH_SESSION_END_H
#define CVMFSEXEC_LAUNCH_SESSION_END_H

#include "payload/base/error.h"

/* Asks a session to end and waits until it is gone: first the processes of those who have joined,
 * with SIGTERM, and what of them is left after 5 seconds with SIGKILL; then the mounts. 0 when it
 * is gone now, or a negative errno: -ENOENT when there was none. */
int session_end(const char *name, struct error *error);

#endif
