/* The caller's state. Changes nothing that is not listed in struct caller. */
#include "payload/launch/caller.h"
#include "payload/base/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

/* What people, shells and batch systems send to a job on purpose. What a program brings upon itself
 * (SEGV and the like) keeps its meaning for the launcher's own processes. */
static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM,
                                SIGTERM, SIGCONT, SIGTSTP, SIGXCPU, SIGPWR,  SIGWINCH};

void caller_signals(sigset_t *signals)
{
    (void)sigemptyset(signals); /* cannot fail on a valid pointer */
    for (size_t index = 0; index < sizeof passed_on / sizeof *passed_on; index++)
        (void)sigaddset(signals, passed_on[index]); /* nor this with a valid number */
    (void)sigaddset(signals, SIGCHLD);
}

bool caller_signal_ends(int signal)
{
    struct sigaction action;
    return (signal == SIGHUP || signal == SIGINT || signal == SIGQUIT || signal == SIGTERM) &&
           sigaction(signal, NULL, &action) == 0 && action.sa_handler != SIG_IGN;
}

bool caller_signal_reached_all(int signal, int code)
{
    if (code <= 0) /* not the kernel's own, sigaction(2) */
        return false;
    if (signal == SIGALRM) /* of alarm(2) before we were executed */
        return false;
    /* A terminal that is gone tells the leader of its session, and only him. */
    return signal != SIGHUP || getsid(0) != getpid();
}

/* Finds the terminal, and fills the streams that are closed. */
static int look_at_streams(int *terminal)
{
    bool found = false;
    *terminal = -1;
    for (int stream = 0; stream <= 2; stream++) {
        pid_t foreground = tcgetpgrp(stream);
        if (foreground < 0 && errno == EBADF && fcntl(stream, F_GETFD) < 0 &&
            descriptors_open_null() != stream) /* the lowest free number */
            return -EBADF;
        if (foreground > 0 && !found && foreground == getpgrp())
            *terminal = stream;
        found = found || foreground > 0;
    }
    return 0;
}

int caller_remember(struct caller *caller, struct error *error)
{
    *caller = (struct caller){.uid = geteuid(), .gid = getegid(), .umask = umask(0)};
    int result = look_at_streams(&caller->terminal);
    if (result < 0)
        return error_set(error, result, "cannot open /dev/null in place of a closed stream");
    sigset_t signals;
    caller_signals(&signals);
    /* Words that cannot be written must not be the end of those who write them. */
    (void)sigaddset(&signals, SIGPIPE);
    (void)sigaddset(&signals, SIGXFSZ);
    const struct sigaction usual = {.sa_handler = SIG_DFL};
    if (sigprocmask(SIG_BLOCK, &signals, &caller->signals) < 0 ||
        sigaction(SIGCHLD, &usual, &caller->on_end) < 0)
        return error_system(error, -errno, "blocking signals");
    return 0;
}

int caller_restore(const struct caller *caller)
{
    (void)umask(caller->umask); /* cannot fail */
    if (sigaction(SIGCHLD, &caller->on_end, NULL) < 0 ||
        sigprocmask(SIG_SETMASK, &caller->signals, NULL) < 0)
        return -errno;
    return 0;
}

void caller_retake_terminal(const struct caller *caller)
{
    if (caller->terminal < 0 || tcgetpgrp(caller->terminal) == getpgrp())
        return;
    sigset_t stop;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTTOU);
    (void)sigprocmask(SIG_BLOCK, &stop, NULL);
    (void)tcsetpgrp(caller->terminal, getpgrp()); /* the terminal may be gone: nothing to retake */
}

/* With its default action, which also knows when stopping makes no sense: nobody to continue us. */
void caller_stop(void)
{
    sigset_t stop;
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTSTP);
    (void)raise(SIGTSTP);
    (void)sigprocmask(SIG_UNBLOCK, &stop, NULL);
    (void)sigprocmask(SIG_BLOCK, &stop, NULL);
}
