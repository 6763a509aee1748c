/* A session as its process 1 sees it: those who connect, what they are answered, and when it is
 * over. Mounts nothing and ends nothing itself. */
#ifndef CVMFSEXEC_LAUNCH_SESSION_KEEPER_H
#define CVMFSEXEC_LAUNCH_SESSION_KEEPER_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/error.h"

struct session_guest; /* one connection */

/* All descriptors stay the caller's. */
struct session_plan {
    int listener;        /* see session_record_make */
    int gone;            /* a pipe that closes when the session has ended and its record is gone */
    int gone_outside;    /* the end of it that the outer process holds, and process 1 must not */
    int watched;         /* pidfd_open(2) of the process that it ends with, or -1 */
    long idle_seconds;   /* how long it stays while nobody is connected; 0: for ever */
    bool offer_requests; /* whether those who join may mount and unmount */
};

struct session_keeper {
    const struct session_plan *plan;
    int events; /* epoll(7) */
    int clock;  /* timerfd_create(2): the idle time */
    struct session_guest *guests;
    size_t connected; /* how many of them */
    bool is_full;     /* no more descriptors: nobody is let in until somebody has left */
    bool ready;
    bool over;
};

/* A request for mounts has arrived on `socket`, see request_receive. -EPIPE when nobody is left who
 * could ask there, which ends the watch over it. */
typedef int session_request(void *context, int socket);

/* To be called in process 1, first of all. 0 or a negative errno. */
int session_keeper_open(struct session_keeper *keeper, const struct session_plan *plan,
                        struct error *error);

/* A descriptor that can be read when session_keeper_step has something to do. */
int session_keeper_descriptor(const struct session_keeper *keeper);

/* Deals with one event. 0 or a negative errno. */
int session_keeper_step(struct session_keeper *keeper, session_request *request, void *context,
                        struct error *error);

/* The repositories are mounted: those who wait for it are answered, and the idle time begins. */
void session_keeper_ready(struct session_keeper *keeper);

/* It ends with this exit code before it was ready: those who wait are told why. */
void session_keeper_fail(struct session_keeper *keeper, int code, const char *words);

/* Whether it is to end: somebody has asked for it, it was idle for long enough, the process that it
 * ends with has ended, or nobody waits any more for it to be ready. */
bool session_keeper_is_over(const struct session_keeper *keeper);

/* Tells those who have joined to end their processes, `at_once` or in order. */
void session_keeper_end_guests(struct session_keeper *keeper, bool at_once);

/* Whether processes of those who have joined are left. */
bool session_keeper_has_guests(const struct session_keeper *keeper);

void session_keeper_close(struct session_keeper *keeper);

#endif
