/* The joining process enters the user namespace, which makes it able to enter the others; the
 * attendant is in all of them. It stays outside of the mount namespace itself: what it waits for
 * are signals of the caller, and the attendant's report.
 *
 * The attendant is not its child, but one of the session's process 1, if it has a pid namespace:
 * that cannot end before somebody has waited for every process that was in it, pid_namespaces(7),
 * and the joining process may be stopped or have been killed. */
#include "payload/launch/session_join.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/launch/job.h"
#include "payload/launch/processes.h"
#include "payload/launch/root.h"
#include "payload/launch/session_attendant.h"
#include "payload/launch/session_record.h"
#include "payload/launch/session_talk.h"

/* What the session lets in one who joins. Each -1 when there is none. */
struct entrance {
    int connection;
    int user;
    int mount;
    int pid;
    int requests;
    bool same_processes; /* it has no pid namespace of its own, seen from here */
};

static void entrance_close(struct entrance *entrance)
{
    scope_close_fd(&entrance->connection);
    scope_close_fd(&entrance->user);
    scope_close_fd(&entrance->mount);
    scope_close_fd(&entrance->pid);
    scope_close_fd(&entrance->requests);
}

#define auto_entrance __attribute__((cleanup(entrance_close)))

static int *place_of(struct entrance *entrance, enum session_letter letter)
{
    switch (letter) {
    case SESSION_USER:
        return &entrance->user;
    case SESSION_MOUNT:
        return &entrance->mount;
    case SESSION_PID:
        return &entrance->pid;
    case SESSION_READY:
        return &entrance->requests;
    case SESSION_ASK_MOUNTS:
    case SESSION_ASK_JOIN:
    case SESSION_ASK_END:
    case SESSION_FAILED:
    case SESSION_ENDING:
    case SESSION_TERMINATE:
    case SESSION_KILL:
        break;
    }
    return NULL;
}

static int ask_entrance(const char *name, struct entrance *entrance, struct error *error)
{
    entrance->connection = session_record_visit(name, NULL, error);
    if (entrance->connection < 0)
        return entrance->connection;
    struct session_packet packet = {.letter = SESSION_KILL};
    int result = session_send(entrance->connection, SESSION_ASK_JOIN, NULL, 0, -1);
    while (result == 0 && packet.letter != SESSION_READY) {
        result = session_await(entrance->connection, &packet);
        if (result < 0)
            break;
        int *place = place_of(entrance, packet.letter);
        if (place) {
            scope_close_fd(place);
            *place = packet.descriptor;
            continue;
        }
        if (packet.descriptor >= 0)
            (void)close(packet.descriptor);
        if (packet.letter == SESSION_FAILED)
            return error_set(error, -ENOENT, "session %s could not be started", name);
        return error_set(error, -ENOENT, "session %s is just ending", name);
    }
    if (result == -EPIPE || result == -ECONNREFUSED)
        return error_set(error, -ENOENT, "session %s has just ended", name);
    return result < 0 ? error_system(error, result, "joining session %s", name) : 0;
}

/* Signals have their usual effect meanwhile: there is no command yet to pass them on to. */
static int wait_for_entrance(const struct session_join_plan *plan, struct entrance *entrance,
                             struct error *error)
{
    int result = caller_restore(plan->caller);
    if (result < 0)
        return error_system(error, result, "joining session %s", plan->name);
    result = ask_entrance(plan->name, entrance, error);
    return result == 0 ? caller_remember(plan->caller, error) : result;
}

static bool is_same_file(int fd, const char *path)
{
    struct stat one;
    struct stat other;
    return fstat(fd, &one) == 0 && stat(path, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

/* Enters a namespace, unless this process is in it: one who is inside may join once more. */
static int enter(int namespace, const char *own, int type, struct error *error)
{
    if (is_same_file(namespace, own) || setns(namespace, type) == 0)
        return 0;
    int code = -errno;
    if (code == -EPERM || code == -EINVAL)
        return error_system(error, -EPERM,
                            "entering the session (from inside of another cvmfsexec or a container "
                            "only sessions that were started there can be joined)");
    return error_system(error, code, "entering the session");
}

static int enter_outer_namespaces(struct entrance *entrance, struct error *error)
{
    entrance->same_processes = is_same_file(entrance->pid, "/proc/self/ns/pid");
    int result = enter(entrance->user, "/proc/self/ns/user", CLONE_NEWUSER, error);
    if (result == 0)
        result = enter(entrance->pid, "/proc/self/ns/pid", CLONE_NEWPID, error);
    /* Whoever gains capabilities becomes unreadable in /proc, even for himself. */
    if (result == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        return error_system(error, -errno, "entering the session");
    /* What the attendant leaves when it is killed comes here, then. */
    if (result == 0 && entrance->same_processes && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return error_system(error, -errno, "adopting children");
    return result;
}

static void be_attendant(const struct session_join_plan *plan, const struct entrance *entrance,
                         int lifeline)
{
    struct error error = ERROR_INIT;
    auto_free char *directory = getcwd(NULL, 0);
    auto_fd int old_directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int result = enter(entrance->mount, "/proc/self/ns/mnt", CLONE_NEWNS, &error);
    if (result == 0)
        result = root_return_to(directory, old_directory, &error);
    if (result < 0) {
        (void)dprintf(STDERR_FILENO, "cvmfsexec: %s\n", error.message);
        session_report(lifeline, 1);
        return;
    }
    const struct job job = {.paths = plan->paths,
                            .caller = plan->caller,
                            .command = plan->command,
                            .requests = plan->take_requests ? entrance->requests : -1,
                            .dies_with_us = true};
    const struct session_attendant attendant = {
        .job = &job, .connection = entrance->connection, .lifeline = lifeline};
    session_attend(&attendant);
}

/* By way of a child that ends at once. */
static int start_attendant(const struct session_join_plan *plan, const struct entrance *entrance,
                           const int lifeline[2], struct error *error)
{
    pid_t between = fork();
    if (between < 0)
        return error_system(error, -errno, "starting a process for the command");
    if (between == 0) {
        (void)close(lifeline[0]);
        pid_t attendant = fork();
        if (attendant == 0)
            be_attendant(plan, entrance, lifeline[1]);
        _exit(attendant < 0 ? errno : 0);
    }
    int status;
    if (waitpid(between, &status, 0) < 0)
        return error_system(error, -errno, "starting a process for the command");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return error_system(error, WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR,
                            "starting a process for the command");
    return 0;
}

static void pass_on(int signals, int lifeline)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != (ssize_t)sizeof info || info.ssi_signo == SIGCHLD)
        return;
    const unsigned char signal = (unsigned char)info.ssi_signo;
    if (!caller_signal_reached_all(signal, info.ssi_code))
        (void)send(lifeline, &signal, 1, MSG_NOSIGNAL); /* it may have ended just now */
    if (signal == SIGTSTP)
        caller_stop();
}

/* The exit code that is reported. When there is none the attendant was killed. */
static int take_report(int lifeline, bool adopts, struct error *error)
{
    unsigned char code;
    if (recv(lifeline, &code, 1, 0) == 1)
        return code;
    int result = adopts ? processes_kill_all() : 0;
    return result < 0 ? error_system(error, result, "ending what the command left") : 128 + SIGKILL;
}

static int wait_for_report(int lifeline, bool adopts, struct error *error)
{
    sigset_t set;
    caller_signals(&set);
    auto_fd int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return error_system(error, -errno, "waiting for signals");
    struct pollfd sources[] = {{.fd = signals, .events = POLLIN},
                               {.fd = lifeline, .events = POLLIN}};
    for (;;) {
        int count = poll(sources, sizeof sources / sizeof *sources, -1);
        if (count < 0 && errno != EINTR)
            return error_system(error, -errno, "waiting for the command");
        if (count > 0 && sources[0].revents)
            pass_on(signals, lifeline);
        if (count > 0 && sources[1].revents)
            return take_report(lifeline, adopts, error);
    }
}

int session_join(const struct session_join_plan *plan, struct error *error)
{
    auto_entrance struct entrance entrance = {-1, -1, -1, -1, -1, false};
    int result = wait_for_entrance(plan, &entrance, error);
    if (result == 0)
        result = enter_outer_namespaces(&entrance, error);
    if (result < 0)
        return result;
    if (job_set_token_file(plan->caller->uid) < 0)
        return error_system(error, -ENOMEM, "preparing the environment");
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_system(error, -errno, "making a socket");
    auto_fd int ours = ends[0];
    auto_fd int theirs = ends[1];
    result = start_attendant(plan, &entrance, ends, error);
    if (result < 0)
        return result;
    (void)close(steal_fd(&theirs));
    (void)close(steal_fd(&entrance.connection)); /* it lives as long as the attendant */
    result = wait_for_report(ours, entrance.same_processes, error);
    caller_retake_terminal(plan->caller);
    return result;
}
