/* Packets over a socket of type SOCK_SEQPACKET: what is sent in one piece is received so. */
#include "payload/launch/session_talk.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/launch/passing.h"

int session_send(int connection, enum session_letter letter, const void *words, size_t length,
                 int descriptor)
{
    char bytes[1 + SESSION_WORDS_LIMIT];
    if (length > SESSION_WORDS_LIMIT)
        length = SESSION_WORDS_LIMIT;
    bytes[0] = (char)letter;
    if (length > 0)
        memcpy(bytes + 1, words, length);
    return passing_send(connection, bytes, 1 + length, descriptor);
}

int session_receive(int connection, struct session_packet *packet)
{
    char bytes[1 + SESSION_WORDS_LIMIT];
    auto_fd int descriptor = -1;
    ssize_t length = passing_receive(connection, bytes, sizeof bytes, &descriptor);
    if (length == 0 || length == -ECONNRESET)
        return -EPIPE;
    if (length < 0)
        return length == -EINTR ? -EAGAIN : (int)length;
    packet->letter = (enum session_letter)bytes[0];
    packet->length = (size_t)length - 1;
    memcpy(packet->words, bytes + 1, packet->length);
    packet->words[packet->length] = '\0';
    packet->descriptor = steal_fd(&descriptor);
    return 0;
}

static int wait_for_input(int fd)
{
    struct pollfd source = {.fd = fd, .events = POLLIN};
    while (poll(&source, 1, -1) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

int session_await(int connection, struct session_packet *packet)
{
    int result;
    do {
        result = wait_for_input(connection);
        if (result == 0)
            result = session_receive(connection, packet);
    } while (result == -EAGAIN);
    return result;
}

static void wait_for_close(int fd)
{
    char byte;
    while (fd >= 0 && wait_for_input(fd) == 0 && read(fd, &byte, 1) > 0)
        ;
}

void session_await_end(int connection, int gone)
{
    wait_for_close(connection);
    wait_for_close(gone);
}
