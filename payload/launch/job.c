/* Starting the job: the caller's environment, streams and signals, and nothing of ours but what
 * compatibility.md, "Inside cvmfsexec", names. */
#include "payload/launch/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/processes.h"
#include "payload/launch/request.h"
#include "payload/launch/root.h"

int job_set_token_file(uid_t uid)
{
    if (getenv("BEARER_TOKEN_FILE"))
        return 0;
    const char *directory = getenv("XDG_RUNTIME_DIR");
    auto_text struct text path = TEXT_INIT;
    if (text_printf(&path, "%s/bt_u%u", directory && *directory ? directory : "/tmp", uid) < 0 ||
        setenv("BEARER_TOKEN_FILE", path.bytes, 1) < 0)
        return -ENOMEM;
    return 0;
}

/* A number above 9, as bash gives to descriptors with a name: lower ones are what scripts use. */
static int offer_requests(const struct job *job)
{
    if (job->requests < 0)
        return 0;
    int fd = fcntl(job->requests, F_DUPFD, 10);
    if (fd < 0)
        return -errno;
    auto_text struct text number = TEXT_INIT;
    auto_text struct text mount = TEXT_INIT;
    auto_text struct text unmount = TEXT_INIT;
    if (text_printf(&number, "%d", fd) < 0 ||
        text_printf(&mount, "%s/mountrepo", job->paths->home) < 0 ||
        text_printf(&unmount, "%s/umountrepo", job->paths->home) < 0 ||
        setenv(REQUEST_VARIABLE, number.bytes, 1) < 0 || setenv("CVMFSMOUNT", mount.bytes, 1) < 0 ||
        setenv("CVMFSUMOUNT", unmount.bytes, 1) < 0)
        return -ENOMEM;
    return 0;
}

/* With -N, inside another cvmfsexec, the outer one must not be asked either. */
static int withhold_requests(const struct job *job)
{
    if (job->requests >= 0)
        return 0;
    int failures = unsetenv(REQUEST_VARIABLE) < 0;
    failures += unsetenv("CVMFSMOUNT") < 0;
    failures += unsetenv("CVMFSUMOUNT") < 0;
    return failures ? -ENOMEM : 0;
}

/* A name in the host's own /cvmfs leads into ours, if that has the same. */
static int enter(const char *directory)
{
    if (directory && chdir(directory) < 0 && chdir(ROOT_REPOSITORIES) < 0)
        return -errno;
    return 0;
}

/* What a shell does with a script that has no "#!" line. */
static void execute_script(char **command)
{
    size_t count = 0;
    while (command[count])
        count++;
    auto_free char **words = calloc(count + 2, sizeof *words);
    if (!words)
        return;
    char shell[] = "/bin/sh";
    words[0] = shell;
    memcpy(words + 1, command, count * sizeof *words);
    (void)execv(shell, words);
}

/* Whether a directory of $PATH has an entry of this name. A directory that cannot be searched makes
 * execvp(3) report -EACCES even if no other has. */
static bool search_path_has(const char *name)
{
    const char *directory = getenv("PATH");
    while (directory && *directory) {
        size_t length = strcspn(directory, ":");
        auto_text struct text path = TEXT_INIT;
        if (text_append(&path, directory, length) == 0 && text_append_string(&path, "/") == 0 &&
            text_append_string(&path, name) == 0 && access(path.bytes, F_OK) == 0)
            return true;
        directory += length;
        directory += *directory == ':';
    }
    return false;
}

static int execute(char **command)
{
    char *shell = getenv("SHELL");
    char usual[] = "/bin/sh";
    char *only_shell[] = {shell && *shell ? shell : usual, NULL};
    if (!command[0])
        command = only_shell;
    (void)execvp(command[0], command);
    int code = errno;
    if (code == ENOEXEC)
        execute_script(command);
    if (code == EACCES && !strchr(command[0], '/') && !search_path_has(command[0]))
        code = ENOENT;
    (void)dprintf(STDERR_FILENO, "cvmfsexec: %s: %s\n", command[0],
                  code == ENOENT ? "command not found" : strerror(code));
    return code == ENOENT ? 127 : 126;
}

pid_t job_start(const struct job *job, struct error *error)
{
    const pid_t parent = getpid();
    pid_t pid = processes_fork();
    if (pid < 0)
        return error_system(error, -errno, "starting a process for the command");
    if (pid > 0)
        return pid;
    if (job->dies_with_us && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
        _exit(128 + SIGKILL);
    int result = enter(job->directory);
    if (result == 0)
        result = offer_requests(job);
    if (result == 0)
        result = withhold_requests(job);
    if (result == 0)
        result = caller_restore(job->caller);
    if (result < 0) {
        (void)dprintf(STDERR_FILENO, "cvmfsexec: preparing the command: %s\n", strerror(-result));
        _exit(126);
    }
    _exit(execute(job->command));
}
