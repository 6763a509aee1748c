/* One child, one answer. The child's words come over one pipe and its answer, a struct error, over
 * another, which is closed when the child ends in any other way. */
#include "payload/launch/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/diagnosis.h"

#define WORDS_LIMIT 8192

struct pipe_ends {
    int read;
    int write;
};

struct trial {
    const struct namespace_set *set;
    trial_step *step;
    void *context;
    bool to_end; /* let it finish what it began */
    struct pipe_ends answer;
    struct pipe_ends words;
};

static int open_pipe(struct pipe_ends *ends)
{
    int both[2];
    if (pipe2(both, O_CLOEXEC) < 0)
        return -errno;
    ends->read = both[0];
    ends->write = both[1];
    return 0;
}

static int prepare_child(const struct trial *trial)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) /* no step reads, and there are odd containers */
        (void)dup2(null, STDIN_FILENO);
    if (dup2(trial->words.write, STDOUT_FILENO) < 0 ||
        dup2(trial->words.write, STDERR_FILENO) < 0 || setpgid(0, 0) < 0)
        return -errno;
    if (!trial->to_end && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    return 0;
}

static void be_child(const struct trial *trial)
{
    struct error error = ERROR_INIT;
    int result = prepare_child(trial);
    if (result < 0)
        (void)error_system(&error, result, "preparing a process");
    else
        result = trial->step(trial->context, &error);
    error.code = result;
    /* Less than PIPE_BUF, so all of it or nothing. A parent that is gone wants no answer. */
    (void)file_write_full(trial->answer.write, &error, sizeof error);
    _exit(0);
}

static long long milliseconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* this clock exists on every Linux */
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void collect_words(int fd, struct text *said)
{
    char bytes[1024];
    ssize_t length = read(fd, bytes, sizeof bytes);
    if (length > 0 && said && said->length < WORDS_LIMIT)
        (void)text_append(said, bytes, (size_t)length); /* without memory: fewer words */
}

/* 0 when there is an answer, or the child is gone without one. */
static int wait_for_answer(const struct trial *trial, struct text *said)
{
    const long long end = milliseconds_now() + 1000LL * TRIAL_SECONDS;
    for (;;) {
        struct pollfd sources[] = {{.fd = trial->answer.read, .events = POLLIN},
                                   {.fd = trial->words.read, .events = POLLIN}};
        long long left = end - milliseconds_now();
        if (left <= 0)
            return -ETIMEDOUT;
        int count = poll(sources, 2, (int)left);
        if (count < 0 && errno != EINTR)
            return -errno;
        if (count <= 0)
            continue;
        if (sources[1].revents & POLLIN)
            collect_words(trial->words.read, said);
        else if (sources[0].revents)
            return 0;
    }
}

/* The status of waitpid(2), which waits unless `options` has WNOHANG. */
static int reap(pid_t child, int options)
{
    int status = 0;
    while (waitpid(child, &status, options) < 0 && errno == EINTR)
        ;
    return status;
}

static void kill_child(pid_t child)
{
    (void)kill(child, SIGKILL);  /* it has not been waited for, so it is there */
    (void)kill(-child, SIGKILL); /* and what it has started */
    /* One that hangs in the kernel, on a dead file server, does not even die. */
    (void)reap(child, WNOHANG);
}

static int take_answer(const struct trial *trial, pid_t child, struct text *said,
                       struct error *error)
{
    int result = wait_for_answer(trial, said);
    if (result < 0) {
        if (!trial->to_end)
            kill_child(child);
        return error_system(error, result, "no answer");
    }
    struct error answer;
    const bool complete =
        file_read_full(trial->answer.read, &answer, sizeof answer) == (ssize_t)sizeof answer;
    int status = reap(child, 0);
    if (!complete)
        return error_set(error, -EIO, "the process that tried it was ended by signal %d",
                         WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    if (error && answer.code < 0)
        *error = answer;
    return answer.code;
}

static int run(struct trial *trial, struct text *said, struct error *error)
{
    int result = open_pipe(&trial->answer);
    if (result < 0)
        return error_system(error, result, "making a pipe");
    auto_fd int answer_read = trial->answer.read;
    auto_fd int answer_write = trial->answer.write;
    result = open_pipe(&trial->words);
    if (result < 0)
        return error_system(error, result, "making a pipe");
    auto_fd int words_read = trial->words.read;
    auto_fd int words_write = trial->words.write;
    pid_t child = trial->set ? namespace_clone(trial->set) : fork();
    if (child < 0 && trial->set)
        return diagnosis_namespaces(child, "creating namespaces", error);
    if (child < 0)
        return error_system(error, -errno, "starting a process");
    if (child == 0)
        be_child(trial);
    (void)close(steal_fd(&answer_write));
    (void)close(steal_fd(&words_write));
    return take_answer(trial, child, said, error);
}

int trial_run(const struct namespace_set *set, trial_step *step, void *context, struct text *said,
              struct error *error)
{
    struct trial trial = {.set = set, .step = step, .context = context};
    return run(&trial, said, error);
}

int trial_run_to_end(trial_step *step, void *context, struct text *said, struct error *error)
{
    struct trial trial = {.step = step, .context = context, .to_end = true};
    return run(&trial, said, error);
}
