/* The joining process enters the user namespace, which makes it able to enter the others; its
 * child, the attendant, is in all of them. It stays outside of the mount namespace itself: what it
 * waits for are signals of the caller, and the attendant's report. */
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
    entrance->connection = session_record_visit(name, error);
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

static int enter_outer_namespaces(const struct entrance *entrance, struct error *error)
{
    int result = enter(entrance->user, "/proc/self/ns/user", CLONE_NEWUSER, error);
    if (result == 0)
        result = enter(entrance->pid, "/proc/self/ns/pid", CLONE_NEWPID, error);
    /* Whoever gains capabilities becomes unreadable in /proc, even for himself. */
    if (result == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        return error_system(error, -errno, "entering the session");
    /* What the attendant leaves when it is killed comes here, where no pid namespace hinders it. */
    if (result == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return error_system(error, -errno, "adopting children");
    return result;
}

static int be_attendant(const struct session_join_plan *plan, const struct entrance *entrance,
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
        return 1;
    }
    const struct job job = {.paths = plan->paths,
                            .caller = plan->caller,
                            .command = plan->command,
                            .requests = plan->take_requests ? entrance->requests : -1,
                            .dies_with_us = true};
    const struct session_attendant attendant = {
        .job = &job, .connection = entrance->connection, .lifeline = lifeline};
    return session_attend(&attendant);
}

static void pass_on(int signals, pid_t attendant)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != (ssize_t)sizeof info || info.ssi_signo == SIGCHLD)
        return;
    if (!caller_signal_reached_all((int)info.ssi_signo, info.ssi_code))
        (void)kill(attendant, (int)info.ssi_signo); /* it may have ended just now */
    if (info.ssi_signo == SIGTSTP)
        caller_stop();
}

/* How the command ended; or, when there is no word of it, the attendant. */
static int end_of(pid_t attendant, const struct session_report *report, struct error *error)
{
    int status = 0;
    /* One that goes on is left to itself. Others must not stay as zombies: a pid namespace ends
     * only when every process of it has been waited for. */
    if ((!report || !report->goes_on) && waitpid(attendant, &status, 0) < 0)
        return error_system(error, -errno, "waiting for the command");
    if (report)
        return report->code;
    int result = WIFSIGNALED(status) ? processes_kill_all() : 0;
    if (result < 0)
        return error_system(error, result, "ending what the command left");
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int wait_for(pid_t attendant, int lifeline, struct error *error)
{
    sigset_t set;
    caller_signals(&set);
    auto_fd int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return error_system(error, -errno, "waiting for signals");
    struct pollfd sources[] = {{.fd = signals, .events = POLLIN},
                               {.fd = lifeline, .events = POLLIN}};
    for (;;) {
        if (poll(sources, 2, -1) < 0 && errno != EINTR)
            return error_system(error, -errno, "waiting for the command");
        if (sources[0].revents)
            pass_on(signals, attendant);
        struct session_report report;
        ssize_t length =
            sources[1].revents ? recv(lifeline, &report, sizeof report, MSG_DONTWAIT) : -1;
        if (length >= 0)
            return end_of(attendant, length == (ssize_t)sizeof report ? &report : NULL, error);
    }
}

int session_join(const struct session_join_plan *plan, struct error *error)
{
    auto_entrance struct entrance entrance = {-1, -1, -1, -1, -1};
    int result = ask_entrance(plan->name, &entrance, error);
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
    pid_t attendant = fork();
    if (attendant < 0)
        return error_system(error, -errno, "starting a process for the command");
    if (attendant == 0) {
        (void)close(steal_fd(&ours));
        _exit(be_attendant(plan, &entrance, theirs));
    }
    (void)close(steal_fd(&theirs));
    (void)close(steal_fd(&entrance.connection)); /* it lives as long as the attendant */
    result = wait_for(attendant, ours, error);
    caller_retake_terminal(plan->caller);
    return result;
}
