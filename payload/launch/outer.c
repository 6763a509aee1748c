/* Parent and process 1 hold one end each of a socket: closed, it tells that the other is gone; a
 * byte on it tells the parent that this set of namespaces cannot be settled in, and the next has to
 * be tried. */
#include "payload/launch/outer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/launch/diagnosis.h"
#include "payload/launch/mode.h"
#include "payload/launch/namespace.h"
#include "payload/launch/processes.h"
#include "payload/launch/supervisor.h"

static void pass_on(const struct signalfd_siginfo *info, pid_t child)
{
    const int signal = (int)info->ssi_signo;
    if (!caller_signal_reached_all(signal, info->ssi_code))
        (void)kill(child, signal); /* it may have ended just now */
    if (signal == SIGTSTP)
        caller_stop();
}

/* Starts the supervisor as soon as somebody asks for it. Who could ask but is gone asks no more. */
static void look_at_requests(struct supervisor *supervisor, struct pollfd *requests)
{
    char byte;
    if (recv(supervisor->requests, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        supervisor_start(supervisor);
    requests->fd = -1; /* from now on they are the supervisor's */
}

/* The status of waitpid(2), or a negative errno. */
static int wait_for(pid_t child, struct supervisor *supervisor)
{
    sigset_t signals;
    caller_signals(&signals);
    auto_fd int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0)
        return -errno;
    struct pollfd sources[] = {{.fd = signal_fd, .events = POLLIN},
                               {.fd = supervisor->requests, .events = POLLIN}};
    for (;;) {
        struct signalfd_siginfo info;
        if (poll(sources, sizeof sources / sizeof *sources, -1) < 0)
            continue; /* EINTR: it was stopped and continued */
        if (sources[1].revents)
            look_at_requests(supervisor, &sources[1]);
        if (read(signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
            continue;
        if (info.ssi_signo != SIGCHLD) {
            pass_on(&info, child);
            continue;
        }
        supervisor_check(supervisor);
        int status;
        pid_t pid = waitpid(child, &status, WNOHANG);
        if (pid != 0)
            return pid < 0 ? -errno : status;
    }
}

/* True when the parent died before its death could be asked to be signalled. */
static bool parent_is_gone(int lifeline)
{
    char byte;
    return recv(lifeline, &byte, 1, MSG_DONTWAIT) == 0;
}

static int be_process_one(const struct namespace_set *set, const struct caller *caller,
                          outer_inside *inside, void *context, int lifeline)
{
    /* In a pid namespace the end of process 1 is the end of all. Without, it has to tidy up, and
     * sees the other end of the lifeline close instead. */
    if (set->pid && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return 1;
    if (parent_is_gone(lifeline))
        return 128 + SIGKILL;
    struct error error = ERROR_INIT;
    int result = namespace_settle(set, caller->uid, caller->gid, &error);
    if (result == -EAGAIN) {
        (void)send(lifeline, "", 1, MSG_NOSIGNAL); /* a parent that is gone tries nothing else */
        return 1;
    }
    if (result < 0) {
        mode_suggest_host(&error);
        (void)dprintf(STDERR_FILENO, "cvmfsexec: %s\n", error.message);
        return 1;
    }
    return inside(context, set->pid, lifeline);
}

/* What is left when process 1 was killed where no pid namespace ends the rest. */
static int kill_orphans(const struct namespace_set *set, int wait_status, pid_t supervisor,
                        struct error *error)
{
    if (set->pid || !WIFSIGNALED(wait_status))
        return 0;
    int result = processes_kill_others(supervisor, NULL);
    return result < 0 ? error_system(error, result, "ending what process 1 left") : 0;
}

/* The exit code, or -EAGAIN when the next set is to be tried, or another negative errno. */
static int see_to_end(const struct namespace_set *set, pid_t child, int lifeline,
                      struct supervisor *supervisor, struct error *error)
{
    int status = wait_for(child, supervisor);
    if (status < 0)
        return error_system(error, status, "waiting for process 1");
    char byte;
    if (recv(lifeline, &byte, 1, MSG_DONTWAIT) == 1)
        return -EAGAIN;
    int result = kill_orphans(set, status, supervisor->pid, error);
    if (result < 0)
        return result;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* As see_to_end(). */
static int try_set(const struct namespace_set *set, const struct caller *caller, struct mode *mode,
                   outer_inside *inside, void *context, struct error *error)
{
    int ends[2];
    int mounter_ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_system(error, -errno, "making a socket");
    auto_fd int ours = ends[0];
    auto_fd int theirs = ends[1];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, mounter_ends) < 0)
        return error_system(error, -errno, "making a socket");
    struct supervisor supervisor = {.paths = mode->paths,
                                    .user_namespace = set->user,
                                    .requests = mounter_ends[0],
                                    .pid = -1,
                                    .run = RUN_DIRECTORY_INIT};
    auto_fd int mounter = mounter_ends[1];
    if (!set->pid && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return error_system(error, -errno, "adopting children");
    pid_t child = namespace_clone(set);
    if (child == 0) {
        (void)close(steal_fd(&ours));
        (void)close(steal_fd(&supervisor.requests));
        mode->mounter = mounter;
        _exit(be_process_one(set, caller, inside, context, theirs));
    }
    (void)close(steal_fd(&theirs));
    (void)close(steal_fd(&mounter));
    int result = child < 0 ? diagnosis_namespaces(child, "creating namespaces", error)
                           : see_to_end(set, child, ours, &supervisor, error);
    supervisor_finish(&supervisor);
    return result;
}

static bool may_be_refused(int code)
{
    return code == -EAGAIN || code == -EPERM || code == -EACCES || code == -EINVAL ||
           code == -ENOSPC || code == -EUSERS;
}

int outer_run(const struct caller *caller, struct mode *mode, outer_inside *inside, void *context,
              struct error *error)
{
    int result = -EPERM;
    for (size_t index = 0; index < namespace_set_count; index++) {
        const struct namespace_set *set = &namespace_sets[index];
        if (!set->user && caller->uid != 0)
            continue;
        result = try_set(set, caller, mode, inside, context, error);
        if (!may_be_refused(result))
            break;
    }
    if (result < 0)
        mode_suggest_host(error);
    caller_retake_terminal(caller);
    return result;
}
