/* What mountrepo and umountrepo ask of process 1 from inside, and how it answers.
 *
 * Process 1 and the job share a pair of sequenced-packet sockets; the job's end is inherited under
 * the number in $CVMFSEXEC_CMDFD. A request is one packet: a letter and a name. With it goes one
 * end of a stream socket made for the answer, so that any number of processes may ask at once, each
 * hears its own answer, and one whose asker or answerer dies sees the end of the stream. An answer
 * is the exit code as one byte, and lines for standard error behind it. */
#ifndef CVMFSEXEC_LAUNCH_REQUEST_H
#define CVMFSEXEC_LAUNCH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/error.h"
#include "payload/base/text.h"

#define REQUEST_VARIABLE "CVMFSEXEC_CMDFD"
#define REQUEST_ALL "-a" /* in place of a name: every repository */

enum request_verb {
    REQUEST_MOUNT = 'm',
    REQUEST_UNMOUNT = 'u',
    REQUEST_UNMOUNT_LAZILY = 'z',
};

struct request {
    enum request_verb verb;
    char fqrn[256];
    int reply; /* owned */
};

/* Both ends of a new pair: [0] is ours, [1] is the job's, both close on exec.
 * 0 or a negative errno. */
int request_pair(int ends[2]);

/* Process 1: takes one request. 0; -EAGAIN when there is none or it was not one of ours;
 * -EPIPE when nobody is left who could ask. */
int request_receive(int socket, struct request *request);

/* Process 1: answers and closes `reply`. An asker that is gone is no failure. */
void request_answer(int reply, int code, const char *words, size_t length);

/* Whether this process is inside of a cvmfsexec that takes requests: the variable is set, even if
 * the descriptor was closed by now. */
bool request_is_possible(void);

/* Inside: asks, and waits for the answer. The exit code, `words` told what came with it; or a
 * negative errno when process 1 cannot be reached. */
int request_ask(enum request_verb verb, const char *fqrn, struct text *words, struct error *error);

/* The same over a socket of request_pair that was come by otherwise. */
int request_ask_over(int socket, enum request_verb verb, const char *fqrn, struct text *words,
                     struct error *error);

#endif
