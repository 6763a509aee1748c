/* The process that several clients share: whoever comes first starts it, by executing its own
 * argv[0] with other arguments; it ends when the last client has gone, and in order only then. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/official/standin.h"

#define FIFO "cachemgr"
#define GUARD "cachemgr.running"

/* Nothing but the streams and two pipes goes along. */
static void close_all_but(int one, int other)
{
    for (int fd = 3; fd < 1024; fd++) {
        if (fd != one && fd != other)
            (void)close(fd);
    }
}

static void be_manager(const char *name, int boot, int handshake)
{
    int null = open("/dev/null", O_RDWR);
    for (int stream = 0; stream <= 2; stream++)
        (void)dup2(null, stream);
    close_all_but(boot, handshake);
    if (fork() != 0)
        _exit(0);
    char numbers[2][16];
    (void)snprintf(numbers[0], sizeof numbers[0], "%d", boot);
    (void)snprintf(numbers[1], sizeof numbers[1], "%d", handshake);
    (void)execlp(name, name, "__cachemgr__", ".", numbers[0], numbers[1], (char *)NULL);
    _exit(1);
}

static int start(const char *name)
{
    int boot[2];
    int handshake[2];
    char byte = 'C';
    if (pipe(boot) < 0 || pipe(handshake) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        be_manager(name, boot[1], handshake[0]);
    (void)waitpid(pid, NULL, 0);
    (void)close(boot[1]);
    (void)close(handshake[0]);
    if (read(boot[0], &byte, 1) != 1) {
        (void)fprintf(stderr, "cache manager did not start\n");
        return -1;
    }
    int fifo = open(FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fifo >= 0 && write(handshake[1], &byte, 1) != 1)
        return -1;
    (void)close(boot[0]);
    (void)close(handshake[1]);
    return fifo;
}

int cache_manager_connect(const char *name)
{
    int lock = open("lock_cachemgr", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        return -1;
    int fifo = open(FIFO, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fifo < 0) {
        /* A manager that is just ending may finish. */
        int other = open("lock_cachemgr.fifo", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        (void)flock(other, LOCK_EX);
        (void)close(other);
        (void)unlink(FIFO);
        fifo = mkfifo(FIFO, 0600) == 0 ? start(name) : -1;
    }
    (void)close(lock);
    return fifo;
}

int cache_manager_main(int count, char **arguments)
{
    if (count < 5)
        return 1;
    int boot = atoi(arguments[3]);
    int handshake = atoi(arguments[4]);
    int lock = open("lock_cachemgr.fifo", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) < 0)
        return 1;
    if (access(GUARD, F_OK) == 0)
        note("rebuilds", "the index of the cache");
    (void)close(open(GUARD, O_WRONLY | O_CREAT, 0600));
    note("libraries", private_c_library());
    int fifo = open(FIFO, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char byte = 'C';
    if (fifo < 0 || fcntl(fifo, F_SETFL, 0) < 0 || write(boot, &byte, 1) != 1)
        return 1;
    (void)close(boot);
    (void)!read(handshake, &byte, 1);
    (void)close(handshake);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    while (read(fifo, &byte, 1) > 0)
        continue;
    (void)usleep(200 * 1000); /* so long does it take to close the index */
    (void)unlink(FIFO);
    (void)unlink(GUARD);
    return 0;
}
