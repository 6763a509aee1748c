/* The life of the process outside. What it does is said in mounter.c; where, in run_directory.c. */
#include "payload/launch/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/launch/mounter.h"

#define RESTARTS_AT_END 3

static int close_streams(void)
{
    int null = descriptors_open_null();
    if (null < 0)
        return null;
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
        if (dup2(null, stream) < 0)
            return -errno;
    }
    return 0;
}

/* Neither a terminal nor who waits for the end of a pipe of the caller's is to find this process
 * there. The signals that are sent to groups of processes are blocked already (caller.h). */
static int leave_caller(struct supervisor *supervisor)
{
    int kept[] = {supervisor->requests, supervisor->run.parent, supervisor->run.directory};
    (void)setsid(); /* can only fail for the leader of a group, which a child is not */
    int result = close_streams();
    if (result == 0)
        result = descriptors_keep(kept, sizeof kept / sizeof *kept);
    supervisor->requests = kept[0];
    supervisor->run.parent = kept[1];
    supervisor->run.directory = kept[2];
    return result;
}

static void supervise(struct supervisor *supervisor, const struct error *refusal)
{
    struct error error = *refusal;
    int result = leave_caller(supervisor);
    if (result == 0 && error.code == 0) {
        run_directory_remove_stale(supervisor->paths);
        result = fchdir(supervisor->run.directory) < 0 ? -errno : 0;
    }
    if (result < 0)
        (void)error_system(&error, result, "preparing to mount outside of the namespaces");
    if (error.code < 0)
        mounter_refuse(supervisor->requests, &error);
    else
        mounter_serve(supervisor->requests, supervisor->user_namespace);
    if (supervisor->run.directory >= 0)
        (void)run_directory_remove(&supervisor->run); /* what stays is for the next run */
}

void supervisor_start(struct supervisor *supervisor)
{
    struct error refusal = ERROR_INIT;
    if (supervisor->run.directory < 0)
        (void)run_directory_make(supervisor->paths, &supervisor->run, &refusal);
    supervisor->pid = fork();
    if (supervisor->pid == 0) {
        supervise(supervisor, &refusal);
        _exit(0);
    }
    if (supervisor->pid < 0) { /* who asks finds the socket closed */
        (void)close(supervisor->requests);
        supervisor->requests = -1;
    }
}

void supervisor_check(struct supervisor *supervisor)
{
    int status;
    if (supervisor->pid < 0 || waitpid(supervisor->pid, &status, WNOHANG) != supervisor->pid)
        return;
    supervisor->pid = -1;
    if (WIFSIGNALED(status))
        supervisor_start(supervisor);
}

static bool wait_for_end(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return true;
    }
    return !WIFSIGNALED(status);
}

void supervisor_finish(struct supervisor *supervisor)
{
    for (int left = RESTARTS_AT_END; supervisor->pid > 0 && !wait_for_end(supervisor->pid);
         left--) {
        supervisor->pid = -1;
        if (left > 0)
            supervisor_start(supervisor);
    }
    supervisor->pid = -1;
    run_directory_free(&supervisor->run);
    if (supervisor->requests >= 0)
        (void)close(supervisor->requests);
    supervisor->requests = -1;
}
