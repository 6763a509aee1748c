/* As a "child subreaper", prctl(2), it inherits what the job leaves behind. So it makes no
 * difference here whether the session has a pid namespace. Holds nothing of the caller's once the
 * job runs: what it outlives must not seem to be open. */
#include "payload/launch/session_attendant.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/base/scope.h"
#include "payload/launch/processes.h"
#include "payload/launch/session_talk.h"

struct attendance {
    int signals; /* signalfd(2), for SIGCHLD */
    int connection;
    int lifeline;    /* -1 when the job's end was reported */
    pid_t job;       /* -1 when it has ended */
    int code;        /* of its end; until it is known, that of being killed */
    bool terminates; /* what is left has been asked to end */
    bool kills;      /* what is left must not be left */
    bool is_over;    /* nothing is left */
};

void session_report(int lifeline, int code)
{
    const unsigned char byte = (unsigned char)code;
    (void)send(lifeline, &byte, 1, MSG_NOSIGNAL); /* who is gone needs no report */
    (void)close(lifeline);
}

static void report(struct attendance *attendance)
{
    if (attendance->lifeline >= 0)
        session_report(steal_fd(&attendance->lifeline), attendance->code);
}

static void signal_children(int signal)
{
    auto_processes struct processes children = PROCESSES_INIT;
    if (processes_add_children(&children, NULL) < 0)
        return; /* they are killed later, then */
    for (size_t index = 0; index < children.count; index++)
        (void)kill(children.pids[index], signal); /* one that is gone is what is wanted */
}

static void terminate(struct attendance *attendance)
{
    attendance->terminates = true;
    signal_children(SIGTERM);
    signal_children(SIGCONT); /* one that is stopped takes no notice otherwise */
}

static void reap(struct attendance *attendance)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != attendance->job)
            continue;
        attendance->job = -1;
        attendance->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    attendance->is_over = pid < 0;
    if (attendance->job < 0)
        report(attendance);
    /* What has lost its parent is ours now, and was not asked yet. */
    if (attendance->terminates && !attendance->is_over)
        terminate(attendance);
}

static void listen_to_caller(struct attendance *attendance)
{
    unsigned char signal;
    ssize_t length = recv(attendance->lifeline, &signal, 1, MSG_DONTWAIT);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        attendance->kills = true;
    else if (length == 1 && attendance->job > 0)
        (void)kill(attendance->job, signal); /* it may have ended just now */
}

static void listen_to_session(struct attendance *attendance)
{
    struct session_packet packet;
    int result = session_receive(attendance->connection, &packet);
    if (result == -EAGAIN)
        return;
    if (result == 0 && packet.descriptor >= 0)
        (void)close(packet.descriptor); /* nothing that is told here brings one */
    if (result == 0 && packet.letter == SESSION_TERMINATE)
        terminate(attendance);
    else
        attendance->kills = true;
}

/* One event; false when events cannot be waited for. */
static bool step(struct attendance *attendance)
{
    struct pollfd sources[] = {{.fd = attendance->signals, .events = POLLIN},
                               {.fd = attendance->connection, .events = POLLIN},
                               {.fd = attendance->lifeline, .events = POLLIN}};
    int count = poll(sources, sizeof sources / sizeof *sources, -1);
    if (count < 0)
        return errno == EINTR;
    struct signalfd_siginfo info;
    /* The lifeline first: the report of the job's end closes our side of it. */
    if (sources[2].revents)
        listen_to_caller(attendance);
    if (sources[0].revents && read(attendance->signals, &info, sizeof info) > 0)
        reap(attendance);
    if (sources[1].revents)
        listen_to_session(attendance);
    return true;
}

static void attend(struct attendance *attendance)
{
    bool goes_on = true;
    while (goes_on && !attendance->is_over && !attendance->kills)
        goes_on = step(attendance);
    if (!attendance->is_over)
        (void)processes_kill_all(); /* what cannot be killed ends with the namespace */
    report(attendance);
}

static int close_streams(void)
{
    int null = descriptors_open_null();
    for (int stream = 0; null >= 0 && stream <= 2; stream++) {
        if (dup2(null, stream) < 0)
            return -errno;
    }
    return null < 0 ? null : 0;
}

void session_attend(const struct session_attendant *attendant)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGCHLD);
    struct error error = ERROR_INIT;
    int kept[] = {signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), attendant->connection,
                  attendant->lifeline};
    pid_t job = -1;
    if (kept[0] < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        (void)error_system(&error, -errno, "looking after the command");
    else
        job = job_start(attendant->job, &error);
    if (job < 0) {
        (void)dprintf(STDERR_FILENO, "cvmfsexec: %s\n", error.message);
        session_report(attendant->lifeline, 1);
        return;
    }
    int result = close_streams();
    if (result == 0)
        result = descriptors_keep(kept, sizeof kept / sizeof *kept);
    struct attendance attendance = {.signals = kept[0],
                                    .connection = kept[1],
                                    .lifeline = kept[2],
                                    .job = job,
                                    .code = 128 + SIGKILL,
                                    .kills = result < 0};
    attend(&attendance);
}
