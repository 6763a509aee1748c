/* What is said between a session's process 1 and those who connect to it: packets of one letter,
 * words behind it, and perhaps a descriptor. */
#ifndef CVMFSEXEC_LAUNCH_SESSION_TALK_H
#define CVMFSEXEC_LAUNCH_SESSION_TALK_H

#include <stddef.h>

enum session_letter {
    /* Asked. The first two are answered when all repositories are mounted. */
    SESSION_ASK_MOUNTS = 'm', /* to be able to mount further ones */
    SESSION_ASK_JOIN = 'j',   /* to enter, and to count as one who is inside while connected */
    SESSION_ASK_END = 'e',    /* that it ends */

    /* Answered. */
    SESSION_USER = 'u',   /* with its user namespace; before SESSION_READY, when to be joined */
    SESSION_MOUNT = 'n',  /* likewise its mount namespace */
    SESSION_PID = 'p',    /* likewise its pid namespace */
    SESSION_READY = 'r',  /* perhaps with a socket for requests (request.h) */
    SESSION_ENDING = 'g', /* with a pipe that closes when it has ended and its record is gone */
    SESSION_FAILED = 'x', /* it ends since it could not mount: the exit code in a byte, lines for
                             standard error behind it, and with the same */

    /* Told to one who has joined. */
    SESSION_TERMINATE = 't', /* end your processes */
    SESSION_KILL = 'k',      /* at once */
};

/* A client's last words in a report, and a name. Less than what a socket takes without waiting. */
#define SESSION_WORDS_LIMIT 32768

struct session_packet {
    enum session_letter letter;
    char words[SESSION_WORDS_LIMIT + 1]; /* with a NUL behind them */
    size_t length;
    int descriptor; /* owned, or -1 */
};

/* Sends a packet; words that are too long are cut. `words` may be NULL when there are none,
 * `descriptor` is -1 for none. 0 or a negative errno: -EAGAIN when it had to wait and the socket is
 * one that does not. */
int session_send(int connection, enum session_letter letter, const void *words, size_t length,
                 int descriptor);

/* Takes a packet, if one is there. 0; -EAGAIN when none is; -EPIPE when the other side is gone; or
 * another negative errno. */
int session_receive(int connection, struct session_packet *packet);

/* The same, but waits for it. */
int session_await(int connection, struct session_packet *packet);

/* Waits for the end of a session after SESSION_ENDING or SESSION_FAILED: until the connection and
 * the pipe that came with the packet, or -1, are closed. */
void session_await_end(int connection, int gone);

#endif
