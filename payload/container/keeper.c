/* Starting, waiting, ending. The container program ends clients one after the other; the official
 * ones share a manager of their cache, which goes when the last has gone, and has work to do then.
 * So the last keeper waits for it. Which one is the last, shows a lock that all of them share. */
#include "payload/container/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/descriptors.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/launch/client_program.h"
#include "payload/launch/client_words.h"
#include "payload/launch/host_clients.h"

#define END_SECONDS 5 /* what a client has to end in; its cache survives that it is killed */

struct keeper {
    const struct keeper_plan *plan;
    int words; /* what the client says on standard error */
    int lock;  /* -1: there is none, and nobody is the last */
    sigset_t before;
    pid_t pid;
    bool told; /* to end */
};

/* The container program starts one client after the other with the devices of all of them open. A
 * client that had another's would keep whoever reads there waiting for ever once that one is gone.
 */
static int leave_others_devices(int device)
{
    for (int fd = STDERR_FILENO + 1; fd < device; fd++)
        (void)close(fd); /* whether it is open or not */
    return descriptors_close_from(device + 1);
}

static int become_client(const struct keeper *keeper, struct error *error)
{
    const struct client_facts facts = {.log = keeper->plan->log, .no_log = "", .problem = ""};
    int result = client_words_begin(keeper->words, &facts);
    if (result == 0 && (dup2(keeper->words, STDERR_FILENO) < 0 ||
                        sigprocmask(SIG_SETMASK, &keeper->before, NULL) < 0))
        result = -errno;
    if (result == 0 && keeper->plan->device > STDERR_FILENO)
        result = leave_others_devices(keeper->plan->device);
    if (result < 0)
        return error_system(error, result, "preparing the client");
    return client_program_execute(keeper->plan->paths, keeper->plan->words, error);
}

static int start(struct keeper *keeper, struct error *error)
{
    keeper->pid = fork();
    if (keeper->pid < 0)
        return error_system(error, -errno, "starting a process for the client");
    if (keeper->pid == 0) {
        struct error failure = ERROR_INIT;
        (void)become_client(keeper, &failure);
        (void)dprintf(STDERR_FILENO, "%s\n", failure.message); /* the exit code remains */
        _exit(1);
    }
    /* The mount is of no use any more when the last descriptor of its device is closed: that must
     * be the client's. */
    int kept[] = {keeper->words, keeper->lock};
    int result = descriptors_keep(kept, sizeof kept / sizeof *kept);
    keeper->words = kept[0];
    keeper->lock = kept[1];
    return result < 0 ? error_system(error, result, "closing descriptors") : 0;
}

static void watched_signals(sigset_t *signals)
{
    static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    (void)sigemptyset(signals); /* nor can the next fail with valid numbers */
    for (size_t index = 0; index < sizeof numbers / sizeof *numbers; index++)
        (void)sigaddset(signals, numbers[index]);
}

/* The status of the client, when it has ended. */
static int wait_for_client(struct keeper *keeper)
{
    const struct timespec limit = {.tv_sec = END_SECONDS};
    sigset_t signals;
    watched_signals(&signals);
    for (;;) {
        int status;
        pid_t ended = waitpid(keeper->pid, &status, WNOHANG);
        if (ended == keeper->pid)
            return status;
        int number = sigtimedwait(&signals, NULL, keeper->told ? &limit : NULL);
        if (number < 0 && errno == EAGAIN) {
            (void)kill(keeper->pid, SIGKILL);
        } else if (number > 0 && number != SIGCHLD) {
            keeper->told = true;
            (void)kill(keeper->pid, number);
        }
    }
}

static void report(const struct keeper *keeper, int status)
{
    auto_text struct text report = TEXT_INIT;
    client_words_report(keeper->words, keeper->plan->fqrn, status, &report);
    if (report.length > 0)
        (void)dprintf(STDERR_FILENO, "singcvmfs: %s", report.bytes);
}

static int finish(struct keeper *keeper, int status)
{
    if (!keeper->told)
        report(keeper, status);
    if (keeper->lock >= 0 && flock(keeper->lock, LOCK_EX | LOCK_NB) == 0)
        host_clients_wait(keeper->plan->paths, NULL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Without it the client is only ended less carefully. */
static int take_lock(const char *run)
{
    auto_text struct text path = TEXT_INIT;
    if (text_printf(&path, "%s/.singcvmfs", run) < 0)
        return -1;
    auto_fd int lock = open(path.bytes, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return lock >= 0 && flock(lock, LOCK_SH) == 0 ? steal_fd(&lock) : -1;
}

int keeper_run(const struct keeper_plan *plan, struct error *error)
{
    struct keeper keeper = {.plan = plan, .lock = take_lock(plan->run)};
    sigset_t signals;
    watched_signals(&signals);
    /* A session of its own: what a terminal sends is meant for the command. */
    (void)setsid();
    /* Who was started by one that ignores it would never hear of the client's end. */
    (void)signal(SIGCHLD, SIG_DFL);
    keeper.words = memfd_create("client", MFD_CLOEXEC);
    if (keeper.words < 0 || sigprocmask(SIG_BLOCK, &signals, &keeper.before) < 0)
        return error_system(error, -errno, "preparing the client");
    int result = start(&keeper, error);
    return result < 0 ? result : finish(&keeper, wait_for_client(&keeper));
}
