/* A process that looks at the client through a pipe, and a thread that looks back. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/official/standin.h"

static int to_watchdog = -1;
static int from_watchdog = -1;
static volatile bool stopping;

static void signalled(int number)
{
    (void)number;
    note("crashes", "the watchdog received a signal");
    _exit(1);
}

static void be_watchdog(int from_client, int to_client)
{
    if (fork() != 0)
        _exit(0);
    (void)setsid();
    for (int fd = 3; fd < 1024; fd++) {
        if (fd != from_client && fd != to_client)
            (void)close(fd);
    }
    const int unexpected[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    for (size_t index = 0; index < sizeof unexpected / sizeof *unexpected; index++)
        (void)signal(unexpected[index], signalled);
    char byte;
    if (read(from_client, &byte, 1) != 1)
        note("crashes", "the client is gone");
    _exit(0);
}

static void *look_back(void *nothing)
{
    char byte;
    (void)!read(from_watchdog, &byte, 1); /* nothing is ever written: this is its end */
    if (!stopping)
        abort();
    return nothing;
}

void watchdog_start(void)
{
    int down[2];
    int up[2];
    if (pipe2(down, O_CLOEXEC) < 0 || pipe2(up, O_CLOEXEC) < 0)
        abort();
    pid_t pid = fork();
    if (pid == 0)
        be_watchdog(down[0], up[1]);
    (void)waitpid(pid, NULL, 0);
    (void)close(down[0]);
    (void)close(up[1]);
    to_watchdog = down[1];
    from_watchdog = up[0];
    pthread_t thread;
    if (pthread_create(&thread, NULL, look_back, NULL) != 0)
        abort();
    (void)pthread_detach(thread);
}

void watchdog_stop(void)
{
    stopping = true;
    (void)!write(to_watchdog, "Q", 1);
}
