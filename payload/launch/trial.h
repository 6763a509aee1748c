/* Trying something out in a child process, so that nothing of it stays. */
#ifndef CVMFSEXEC_LAUNCH_TRIAL_H
#define CVMFSEXEC_LAUNCH_TRIAL_H

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/launch/namespace.h"

#define TRIAL_SECONDS 10

/* What is tried: 0 or a negative errno. Its standard input is empty; what is written to standard
 * output or standard error is collected. */
typedef int trial_step(void *context, struct error *error);

/* Runs `step` in a child, which is a process group of its own, and appends what was written to
 * `said`, up to some KiB; NULL discards it. The namespaces of `set` are new in it, but not settled
 * (namespace_settle); NULL: those of the caller. What `step` returned, with its words; -ETIMEDOUT
 * when it is not done after TRIAL_SECONDS; or another negative errno. The child is killed then,
 * with its process group. It is also killed when this process is. */
int trial_run(const struct namespace_set *set, trial_step *step, void *context, struct text *said,
              struct error *error);

/* The same for a step which puts back what it did outside of the child: it is neither killed with
 * this process nor reached by the signals of its terminal. */
int trial_run_to_end(trial_step *step, void *context, struct text *said, struct error *error);

#endif
