/* spawn COUNT COMMAND...: starts the command and waits for its end COUNT times, one after the
 * other, its output thrown away, and prints the nanoseconds of each time. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* vfork, so that what is measured is the command and not the copying of this program. */
static int run_once(char **command)
{
    pid_t child = vfork();
    if (child < 0)
        return -errno;
    if (child == 0) {
        (void)execvp(command[0], command);
        _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **arguments)
{
    long times = count < 3 ? 0 : strtol(arguments[1], NULL, 10);
    int out = dup(STDOUT_FILENO);
    FILE *report = out < 0 ? NULL : fdopen(out, "w");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (times < 1 || !report || null < 0) {
        (void)fprintf(stderr, "usage: spawn COUNT COMMAND...\n");
        return 2;
    }
    (void)fcntl(out, F_SETFD, FD_CLOEXEC);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(null, STDIN_FILENO);
    for (long done = 0; done < times; done++) {
        struct timespec begin;
        struct timespec end;
        (void)clock_gettime(CLOCK_MONOTONIC, &begin);
        int result = run_once(arguments + 2);
        (void)clock_gettime(CLOCK_MONOTONIC, &end);
        if (result != 0) {
            (void)fprintf(stderr, "spawn: %s: %s %d\n", arguments[2],
                          result < 0 ? "error" : "status", result);
            return 1;
        }
        (void)fprintf(report, "%" PRId64 "\n",
                      (int64_t)(end.tv_sec - begin.tv_sec) * 1000000000 +
                          (end.tv_nsec - begin.tv_nsec));
    }
    return fclose(report) != 0;
}
