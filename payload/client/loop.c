/* Leader and followers over one descriptor of /dev/fuse. */
#include "payload/client/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MOST_FOLLOWERS 3 /* idle ones that are kept */

/* Requests in a row that were there before anybody waited for them: then a second thread is worth
 * the price of waking it. */
#define BACKLOG 3

/* Waking a processor that has gone to sleep takes longer than answering a request, most of all on
 * virtual machines. So while requests come one upon the other, the leader looks for the next for
 * this long before it sleeps; it stops that when one has not come within twice the time. */
#define EAGER_NANOSECONDS 20000

struct worker {
    struct loop *loop;
    struct worker *next;
    pthread_t thread;
    struct fuse_buf buffer;
    bool leads;
    bool eager;  /* the last request came soon after the one before */
    bool waited; /* the last request was not there yet when it was asked for */
    bool ended;
};

struct loop {
    struct fuse_session *session;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct worker *workers;
    unsigned most_threads;
    bool may_be_eager; /* there is another processor for the reader */
    unsigned running;
    unsigned idle;
    bool has_leader;
    bool ending;
    int result;
    int signal; /* to send to the process at the end; 0: none */
};

static _Thread_local struct worker *this_worker;

static int start_worker(struct loop *loop);

/* Under the lock: nobody leads now, so somebody else shall. */
static void call_follower(struct loop *loop)
{
    loop->has_leader = false;
    if (loop->idle > 0)
        (void)pthread_cond_signal(&loop->change);
    else if (loop->running < loop->most_threads)
        (void)start_worker(loop); /* without it the present threads go on */
}

static void give_up_lead(struct worker *worker)
{
    struct loop *loop = worker->loop;
    (void)pthread_mutex_lock(&loop->lock);
    worker->leads = false;
    call_follower(loop);
    (void)pthread_mutex_unlock(&loop->lock);
}

void loop_yield(void)
{
    if (this_worker && this_worker->leads)
        give_up_lead(this_worker);
}

/* Waits to become the leader; false when there is nothing to do for this thread any more. */
static bool take_lead(struct worker *worker)
{
    struct loop *loop = worker->loop;
    (void)pthread_mutex_lock(&loop->lock);
    while (loop->has_leader && !loop->ending && loop->idle < MOST_FOLLOWERS) {
        loop->idle++;
        (void)pthread_cond_wait(&loop->change, &loop->lock);
        loop->idle--;
    }
    worker->leads = !loop->has_leader && !loop->ending;
    if (worker->leads)
        loop->has_leader = true;
    (void)pthread_mutex_unlock(&loop->lock);
    return worker->leads;
}

/* Ends the loop as a whole. */
static void end_loop(struct loop *loop, int result)
{
    (void)pthread_mutex_lock(&loop->lock);
    bool first = !loop->ending;
    loop->ending = true;
    if (first)
        loop->result = result;
    (void)pthread_cond_broadcast(&loop->change);
    if (first && loop->signal)
        (void)kill(getpid(), loop->signal);
    (void)pthread_mutex_unlock(&loop->lock);
}

static int64_t nanoseconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The next request if there is one, or comes soon, else -EAGAIN. */
static int receive_waiting(struct worker *worker)
{
    int64_t start = nanoseconds_now();
    int result;
    do
        result = fuse_session_receive_buf(worker->loop->session, &worker->buffer);
    while (result == -EINTR || (result == -EAGAIN && worker->loop->may_be_eager &&
                                nanoseconds_now() - start < EAGER_NANOSECONDS));
    return result;
}

/* The next request, or a negative errno; cancellation, by which loop_stop ends a thread that waits,
 * is possible in here only. */
static int receive(struct worker *worker)
{
    struct fuse_session *session = worker->loop->session;
    int state;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    int result = fuse_session_receive_buf(session, &worker->buffer);
    worker->waited = result == -EAGAIN;
    int64_t start = worker->waited ? nanoseconds_now() : 0;
    while (result == -EAGAIN || result == -EINTR) {
        int64_t waited = nanoseconds_now() - start;
        if (!worker->eager || waited > EAGER_NANOSECONDS) {
            struct pollfd poll_fd = {.fd = fuse_session_fd(session), .events = POLLIN};
            (void)poll(&poll_fd, 1, -1); /* whatever ended it, the next receive knows */
            waited = nanoseconds_now() - start;
            worker->eager = worker->loop->may_be_eager && waited < 2 * EAGER_NANOSECONDS;
        }
        result = fuse_session_receive_buf(session, &worker->buffer);
    }
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return result;
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct loop *loop = worker->loop;
    int state;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    this_worker = worker;
    while (take_lead(worker)) {
        unsigned backlog = 0;
        for (int received = 1; received > 0;) {
            received = worker->leads ? receive(worker) : receive_waiting(worker);
            if (received == -EAGAIN)
                break; /* nothing is waiting, and somebody else leads */
            if (received <= 0 || fuse_session_exited(loop->session)) {
                end_loop(loop, received < 0 ? received : 0);
                break;
            }
            backlog = worker->waited ? 0 : backlog + 1;
            if (worker->leads && backlog >= BACKLOG)
                give_up_lead(worker);
            fuse_session_process_buf(loop->session, &worker->buffer);
        }
    }
    (void)pthread_mutex_lock(&loop->lock);
    worker->ended = true;
    loop->running--;
    (void)pthread_mutex_unlock(&loop->lock);
    return NULL;
}

/* Under the lock: frees what threads that have ended left behind. */
static void reap_workers(struct loop *loop)
{
    struct worker **link = &loop->workers;
    while (*link) {
        struct worker *worker = *link;
        if (!worker->ended) {
            link = &worker->next;
            continue;
        }
        *link = worker->next;
        (void)pthread_join(worker->thread, NULL);
        free(worker->buffer.mem);
        free(worker);
    }
}

/* Under the lock. */
static int start_worker(struct loop *loop)
{
    reap_workers(loop);
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return -ENOMEM;
    worker->loop = loop;
    int result = -pthread_create(&worker->thread, NULL, work, worker);
    if (result < 0) {
        free(worker);
        return result;
    }
    worker->next = loop->workers;
    loop->workers = worker;
    loop->running++;
    return 0;
}

int loop_start(struct fuse_session *session, unsigned most_threads, struct loop **loop)
{
    int fd = fuse_session_fd(session);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    struct loop *made = calloc(1, sizeof *made);
    if (!made)
        return -ENOMEM;
    made->session = session;
    made->most_threads = most_threads;
    made->may_be_eager = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->change, NULL);
    (void)pthread_mutex_lock(&made->lock);
    int result = start_worker(made);
    (void)pthread_mutex_unlock(&made->lock);
    if (result < 0) {
        free(made);
        return result;
    }
    *loop = made;
    return 0;
}

void loop_signal_at_end(struct loop *loop, int signal)
{
    (void)pthread_mutex_lock(&loop->lock);
    loop->signal = signal;
    bool ended = loop->ending;
    (void)pthread_mutex_unlock(&loop->lock);
    if (ended)
        (void)kill(getpid(), signal);
}

int loop_stop(struct loop *loop)
{
    end_loop(loop, 0);
    /* Nothing starts a thread any more: those that run are on the list. */
    for (struct worker *worker = loop->workers; worker; worker = worker->next)
        (void)pthread_cancel(worker->thread);
    while (loop->workers) {
        struct worker *worker = loop->workers;
        loop->workers = worker->next;
        (void)pthread_join(worker->thread, NULL);
        free(worker->buffer.mem);
        free(worker);
    }
    int result = loop->result;
    (void)pthread_mutex_destroy(&loop->lock);
    (void)pthread_cond_destroy(&loop->change);
    free(loop);
    return result;
}
