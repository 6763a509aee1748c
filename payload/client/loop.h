/* The threads that answer the kernel.
 *
 * One thread at a time, the leader, waits for the next request, and answers it itself: a reader
 * that asks for one thing after the other is always served by the same, warm thread. It hands the
 * lead to another one when more requests are waiting, and before it waits for a server. libfuse's
 * own loop wakes its threads in turn, which costs a cold processor for every request. */
#ifndef CVMFSEXEC_CLIENT_LOOP_H
#define CVMFSEXEC_CLIENT_LOOP_H

#include <stdbool.h>

#include "payload/client/operations.h"

struct loop;

/* Starts serving a mounted session with up to `most_threads` threads. 0 or a negative errno. */
int loop_start(struct fuse_session *session, unsigned most_threads, struct loop **loop);

/* To be called by a thread that may be the leader, before it waits for longer than a disk takes:
 * somebody else takes over the lead. Does nothing in any other thread. */
void loop_yield(void);

/* The process receives `signal` (directed at the thread that waits for it) when the session ends by
 * itself, because it was unmounted. */
void loop_signal_at_end(struct loop *loop, int signal);

/* Ends the threads, each when it has answered what it is at, and frees the loop. Negative errno
 * when the loop had ended by a failure. */
int loop_stop(struct loop *loop);

#endif
