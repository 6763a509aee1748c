/* One loop around poll(2): signals (children that ended among them), requests from inside, and the
 * life of the outer process. Everything slow is in processes of its own. */
#include "payload/launch/process_one.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/config/configuration.h"
#include "payload/launch/job.h"
#include "payload/launch/mounts.h"
#include "payload/launch/processes.h"
#include "payload/launch/request.h"

#define CLIENTS_END_SECONDS 5
#define GUESTS_END_SECONDS 5

struct process_one {
    const struct process_one_plan *plan;
    struct mounts mounts;
    int signals;              /* signalfd(2) */
    int requests;             /* our end, or -1 */
    pid_t job;                /* -1 before it is started and after it has ended */
    int job_status;           /* as waitpid(2) gives it */
    int ended_by;             /* a signal that came before the job, or 0 */
    bool abandoned;           /* the outer process is gone */
    struct processes clients; /* at the end: those to wait for */
};

static void take_signal(struct process_one *one, const struct signalfd_siginfo *info)
{
    if (one->job > 0) {
        if (!caller_signal_reached_all((int)info->ssi_signo, info->ssi_code))
            (void)kill(one->job, (int)info->ssi_signo); /* it may have ended just now */
    } else if (one->plan->session && info->ssi_signo == SIGHUP) {
        return; /* a session outlives the terminal it was started from */
    } else if (caller_signal_ends((int)info->ssi_signo)) {
        one->ended_by = (int)info->ssi_signo;
    }
}

static int reap_children(struct process_one *one, struct error *error)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid <= 0)
            return 0;
        if (pid == one->job) {
            one->job = -1;
            one->job_status = status;
        }
        processes_remove(&one->clients, pid);
        int result = mounts_child_ended(&one->mounts, pid, status, error);
        if (result < 0)
            return result;
    }
}

static int take_signals(struct process_one *one, struct error *error)
{
    struct signalfd_siginfo info;
    ssize_t length = read(one->signals, &info, sizeof info);
    if (length != (ssize_t)sizeof info)
        return 0;
    if (info.ssi_signo == SIGCHLD)
        return reap_children(one, error);
    take_signal(one, &info);
    return 0;
}

/* One request that has arrived on `socket`; -EPIPE when no more can come. */
static int take_request(void *context, int socket)
{
    struct process_one *one = context;
    struct request request;
    struct error error = ERROR_INIT;
    int result = request_receive(socket, &request);
    if (result < 0)
        return result;
    if (request.verb == REQUEST_MOUNT)
        (void)mounts_start(&one->mounts, request.fqrn, request.reply, &error); /* answers */
    else
        mounts_answer_unmount(&one->mounts, &request);
    return 0;
}

/* Waits for one event and deals with it; at most for `milliseconds`, or forever when negative. */
static int step(struct process_one *one, int milliseconds, struct error *error)
{
    struct session_keeper *session = one->plan->session;
    const int session_events = session ? session_keeper_descriptor(session) : -1;
    struct pollfd sources[] = {{.fd = one->signals, .events = POLLIN},
                               {.fd = one->requests, .events = POLLIN},
                               {.fd = one->abandoned ? -1 : one->plan->lifeline, .events = POLLIN},
                               {.fd = session_events, .events = POLLIN}};
    int count = poll(sources, sizeof sources / sizeof *sources, milliseconds);
    if (count < 0 && errno != EINTR)
        return error_system(error, -errno, "waiting for events");
    if (count <= 0)
        return 0;
    int result = sources[0].revents ? take_signals(one, error) : 0;
    if (sources[1].revents && take_request(one, one->requests) == -EPIPE)
        (void)close(steal_fd(&one->requests));
    if (sources[2].revents)
        one->abandoned = true;
    if (result == 0 && sources[3].revents)
        result = session_keeper_step(session, take_request, one, error);
    return result;
}

static bool is_interrupted(const struct process_one *one)
{
    const struct session_keeper *session = one->plan->session;
    return one->abandoned || one->ended_by || (session && session_keeper_is_over(session));
}

static bool must_end(const struct process_one *one)
{
    return is_interrupted(one) || one->mounts.failure;
}

static int wait_for_mounts(struct process_one *one, struct error *error)
{
    int result = 0;
    while (result == 0 && one->mounts.starting > 0 && !is_interrupted(one))
        result = step(one, -1, error);
    return result;
}

static int mount_config_repository(struct process_one *one, struct error *error)
{
    const struct configuration_layout layout = {.dist = one->plan->paths->dist,
                                                .log = one->plan->paths->log,
                                                .repositories = ROOT_REPOSITORIES};
    auto_free char *fqrn = NULL;
    int result = configuration_repository(&layout, &fqrn, error);
    if (result < 0)
        return error_prefix(error, "configuration");
    if (!fqrn)
        return 0;
    result = mounts_start(&one->mounts, fqrn, -1, error);
    return result == 0 ? wait_for_mounts(one, error) : result;
}

static int mount_repositories(struct process_one *one, struct error *error)
{
    const struct strings *repositories = one->plan->repositories;
    int result = mount_config_repository(one, error);
    for (size_t index = 0; result == 0 && !must_end(one) && index < repositories->count; index++)
        result = mounts_start(&one->mounts, repositories->items[index], -1, error);
    if (result == 0)
        result = wait_for_mounts(one, error);
    return result == 0 ? root_set_writable(one->plan->root, false, error) : result;
}

/* Before the command writes anything itself. */
static void say_warnings(struct process_one *one)
{
    if (one->mounts.report.length)
        (void)dprintf(STDERR_FILENO, "cvmfsexec: %s", one->mounts.report.bytes);
    text_free(&one->mounts.report);
}

static int run_job(struct process_one *one, int job_requests, struct error *error)
{
    const struct job job = {.paths = one->plan->paths,
                            .caller = one->plan->caller,
                            .directory = one->plan->root->directory,
                            .command = one->plan->command,
                            .requests = job_requests};
    one->job = job_start(&job, error);
    if (job_requests >= 0)
        (void)close(job_requests); /* now that nobody but the job has that end, its closing shows */
    if (one->job < 0)
        return one->job;
    int result = 0;
    while (result == 0 && one->job > 0 && !one->abandoned)
        result = step(one, -1, error);
    return result;
}

static long long milliseconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock exists on every Linux */
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static bool has_clients(const struct process_one *one)
{
    return one->clients.count > 0;
}

static bool has_guests(const struct process_one *one)
{
    return session_keeper_has_guests(one->plan->session);
}

static void step_while(struct process_one *one, bool (*holds)(const struct process_one *),
                       int seconds)
{
    const long long end = milliseconds_now() + 1000LL * seconds;
    for (int result = 0; result == 0 && holds(one);) {
        long long left = end - milliseconds_now();
        if (left <= 0)
            return;
        result = step(one, (int)left, NULL);
    }
}

/* Where there is no pid namespace, nobody else could end them either. */
static void end_guests(struct process_one *one)
{
    session_keeper_end_guests(one->plan->session, false);
    step_while(one, has_guests, GUESTS_END_SECONDS);
    session_keeper_end_guests(one->plan->session, true);
    step_while(one, has_guests, GUESTS_END_SECONDS);
}

static int serve_session(struct process_one *one, struct error *error)
{
    int result = 0;
    session_keeper_ready(one->plan->session);
    while (result == 0 && !is_interrupted(one))
        result = step(one, -1, error);
    end_guests(one);
    return result;
}

/* The official client rebuilds the index of its cache after it was killed: so the clients are not
 * left to the end of the namespace, but find their file system unmounted and end by themselves. */
static void end_clients(struct process_one *one)
{
    /* What the job left behind could keep a file system in use that was mounted outside. */
    if (mode_is_outside(one->plan->mode))
        (void)processes_kill_others(-1, one->plan->paths->dist);
    if (!mounts_end(&one->mounts) ||
        processes_add_children(&one->clients, one->plan->paths->dist) < 0)
        return;
    if (reap_children(one, NULL) == 0)
        step_while(one, has_clients, CLIENTS_END_SECONDS);
}

/* Without a pid namespace what is left must be killed by hand. */
static void end_everything(struct process_one *one)
{
    end_clients(one);
    if (!one->plan->pid_namespace)
        (void)processes_kill_all();
}

static int run(struct process_one *one, struct error *error)
{
    int ends[2] = {-1, -1};
    int result = mount_repositories(one, error);
    if (result < 0 || must_end(one)) {
        mounts_give_up(&one->mounts);
        return result;
    }
    say_warnings(one);
    if (one->plan->session)
        return serve_session(one, error);
    if (one->plan->take_requests) {
        result = request_pair(ends);
        if (result < 0)
            return error_system(error, result, "making a socket for requests");
    }
    one->requests = ends[0];
    return run_job(one, ends[1], error);
}

static int exit_code(const struct process_one *one)
{
    if (one->mounts.failure)
        return one->mounts.failure;
    if (one->ended_by)
        return 128 + one->ended_by;
    if (one->abandoned)
        return 128 + SIGKILL;
    if (one->plan->session)
        return 0;
    return WIFSIGNALED(one->job_status) ? 128 + WTERMSIG(one->job_status)
                                        : WEXITSTATUS(one->job_status);
}

int process_one_run(const struct process_one_plan *plan, struct text *report, struct error *error)
{
    sigset_t signals;
    caller_signals(&signals);
    auto_fd int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0)
        return error_system(error, -errno, "waiting for signals");
    if (!plan->pid_namespace && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return error_system(error, -errno, "adopting children");
    if (job_set_token_file(plan->caller->uid) < 0)
        return error_system(error, -ENOMEM, "preparing the environment");
    struct process_one one = {.plan = plan,
                              .mounts = {.paths = plan->paths,
                                         .caller = plan->caller,
                                         .mode = plan->mode,
                                         .root = plan->root},
                              .signals = signal_fd,
                              .requests = -1,
                              .job = -1};
    int result = run(&one, error);
    end_everything(&one);
    (void)text_append(report, one.mounts.report.bytes, one.mounts.report.length);
    mounts_free(&one.mounts);
    processes_free(&one.clients);
    if (one.requests >= 0)
        (void)close(one.requests);
    return result < 0 ? result : exit_code(&one);
}
