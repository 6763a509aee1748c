/* The process that the caller started, and waits for: it stays outside of the namespaces, passes
 * signals on, and ends as process 1 ended. */
#ifndef CVMFSEXEC_LAUNCH_OUTER_H
#define CVMFSEXEC_LAUNCH_OUTER_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/launch/caller.h"
#include "payload/launch/mode.h"

/* What process 1 does: called in it, with its namespaces settled; what it returns is its exit code.
 * `pid_namespace` and `lifeline` are those of struct process_one_plan. */
typedef int outer_inside(void *context, bool pid_namespace, int lifeline);

/* Starts process 1 in the first set of namespaces that the system allows, and waits for its end.
 * When this process is killed, process 1 and everything under it is; when process 1 is killed, so
 * is everything under it. The exit code, 128+N when signal N ended process 1, or a negative errno.
 */
int outer_run(const struct caller *caller, struct mode *mode, outer_inside *inside, void *context,
              struct error *error);

#endif
