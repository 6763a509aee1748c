/* Both ends of the requests from inside. Decides nothing: what is asked for is for process 1. */
#include "payload/launch/request.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/fqrn.h"
#include "payload/launch/passing.h"

#define ANSWER_LIMIT 32768 /* less than what a stream socket takes without waiting */

int request_pair(int ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ? -errno : 0;
}

static int understand(const char *packet, size_t length, struct request *request)
{
    if (length < 2 || length > sizeof request->fqrn || memchr(packet, '\0', length))
        return -EAGAIN;
    switch (packet[0]) {
    case REQUEST_MOUNT:
    case REQUEST_UNMOUNT:
    case REQUEST_UNMOUNT_LAZILY:
        request->verb = (enum request_verb)packet[0];
        break;
    default:
        return -EAGAIN;
    }
    memcpy(request->fqrn, packet + 1, length - 1);
    request->fqrn[length - 1] = '\0';
    bool all = request->verb != REQUEST_MOUNT && strcmp(request->fqrn, REQUEST_ALL) == 0;
    return all || fqrn_is_valid(request->fqrn) ? 0 : -EAGAIN;
}

int request_receive(int socket, struct request *request)
{
    char packet[sizeof request->fqrn + 1];
    auto_fd int reply = -1;
    ssize_t length = passing_receive(socket, packet, sizeof packet, &reply);
    if (length == -EAGAIN || length == -EINTR)
        return -EAGAIN;
    if (length < 0 || (length == 0 && reply < 0))
        return -EPIPE;
    int result = understand(packet, (size_t)length, request);
    if (result < 0 || reply < 0)
        return -EAGAIN;
    request->reply = steal_fd(&reply);
    return 0;
}

void request_answer(int reply, int code, const char *words, size_t length)
{
    if (length > ANSWER_LIMIT)
        length = ANSWER_LIMIT;
    const unsigned char byte = (unsigned char)code;
    /* An asker that does not read, or is gone, must not hold up process 1. */
    if (send(reply, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 && length > 0)
        (void)send(reply, words, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(reply);
}

bool request_is_possible(void)
{
    const char *variable = getenv(REQUEST_VARIABLE);
    return variable && *variable;
}

static int own_socket(void)
{
    const char *variable = getenv(REQUEST_VARIABLE);
    if (!variable || *variable < '0' || *variable > '9')
        return -1;
    char *end;
    long fd = strtol(variable, &end, 10);
    return *end == '\0' && fd <= INT_MAX ? (int)fd : -1;
}

/* The number may belong to something else by now: a process that closed the descriptor, and opened
 * others, has put one of those in its place. Who is connected with that would not know what to do
 * with a request, and leave it without an answer. */
static bool is_request_socket(int socket)
{
    int domain = -1;
    int type = -1;
    socklen_t length = sizeof(int);
    return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX &&
           getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_SEQPACKET;
}

static int send_request(int socket, enum request_verb verb, const char *fqrn, int reply)
{
    char packet[sizeof((struct request *)0)->fqrn];
    const int length = snprintf(packet, sizeof packet, "%c%s", (char)verb, fqrn);
    if (length < 0 || (size_t)length >= sizeof packet)
        return -EINVAL;
    return passing_send(socket, packet, (size_t)length, reply);
}

int request_ask_over(int socket, enum request_verb verb, const char *fqrn, struct text *words,
                     struct error *error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_system(error, -errno, "making a socket for the answer");
    auto_fd int ours = ends[0];
    auto_fd int theirs = ends[1];
    int result = send_request(socket, verb, fqrn, theirs);
    if (result < 0)
        return error_system(error, result, "asking cvmfsexec");
    (void)close(steal_fd(&theirs)); /* only the answering end counts from now on */
    unsigned char code;
    if (file_read_full(ours, &code, 1) != 1)
        return error_set(error, -EPIPE, "cvmfsexec ended before it answered");
    result = text_reserve(words, ANSWER_LIMIT);
    if (result < 0)
        return error_system(error, result, "reading the answer");
    ssize_t length = file_read_full(ours, words->bytes, ANSWER_LIMIT);
    if (length > 0) {
        words->length = (size_t)length;
        words->bytes[length] = '\0';
    }
    return code;
}

int request_ask(enum request_verb verb, const char *fqrn, struct text *words, struct error *error)
{
    const int socket = own_socket();
    if (!is_request_socket(socket))
        return error_set(error, -ENOTCONN,
                         "the descriptor $" REQUEST_VARIABLE
                         " is closed or was put to another use: nothing can be mounted from here");
    int result = request_ask_over(socket, verb, fqrn, words, error);
    if (result < 0)
        (void)error_prefix(error, "over the descriptor $" REQUEST_VARIABLE); /* result is known */
    return result;
}
