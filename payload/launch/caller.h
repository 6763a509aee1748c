/* What the launcher changes of the process it was started as, and gives back to the job and the
 * clients: their signal mask, umask and streams are the caller's, as if nothing stood between. */
#ifndef CVMFSEXEC_LAUNCH_CALLER_H
#define CVMFSEXEC_LAUNCH_CALLER_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "payload/base/error.h"

struct caller {
    uid_t uid;
    gid_t gid;
    mode_t umask;
    sigset_t signals;        /* the mask */
    struct sigaction on_end; /* the disposition of SIGCHLD */
    int terminal;            /* 0, 1 or 2: where the caller is the foreground job; or -1 */
};

/* Remembers, and then: blocks the signals that are to be waited for, and those that a failing write
 * brings; gives SIGCHLD its default, so
 * that children can be waited for; opens /dev/null for streams that are closed, to be closed again
 * on exec, so that no descriptor of ours takes their place. 0 or a negative errno. */
int caller_remember(struct caller *caller, struct error *error);

/* Gives back, in a child that is about to exec. 0 or a negative errno. */
int caller_restore(const struct caller *caller);

/* Makes the own process group the foreground one again, if it was when the caller began: a shell
 * with job control as process of another pid namespace cannot do that when it ends. */
void caller_retake_terminal(const struct caller *caller);

/* The signals that are blocked: those that are passed on, and SIGCHLD. */
void caller_signals(sigset_t *signals);

/* Whether a signal ends a start that is under way, when there is no job yet to pass it on to. Not
 * if the caller ignores it, as under nohup(1) or in the background of a shell. */
bool caller_signal_ends(int signal);

/* Whether a signal is one that a terminal sent to all of the foreground at once, the job
 * included: it must not be passed on a second time. What the kernel sent to this process alone must
 * be: the end of a timer, a terminal's end to the leader of its session. `code` is its si_code. */
bool caller_signal_reached_all(int signal, int code);

/* Stops this process as SIGTSTP does where nobody takes care of it, until it is continued. */
void caller_stop(void);

#endif
