/* A small HTTP server in threads of the test, for what a transfer library does with answers of
 * every kind. The first part of a path says what is answered:
 *
 *   /body/N        N bytes 'x'             /short/N     N bytes of a body of N + 10, then the end
 *   /status/N      status N with a page    /head        the head of the request itself
 *   /redirect      302 to /body/3          /circle      302 to itself
 *   /stall         nothing any more        /hangup      the end of the connection
 *   /strange       what is no HTTP         /endless/N   status N with a page that never ends */
#ifndef CVMFSEXEC_TESTS_HTTP_SERVER_H
#define CVMFSEXEC_TESTS_HTTP_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HTTP_CONNECTIONS 64

struct http_server {
    int socket;
    unsigned port;
    pthread_t thread;
    pthread_t threads[HTTP_CONNECTIONS];
    int connections[HTTP_CONNECTIONS];
    atomic_int count; /* of connections, ever */
};

static void http_send(int connection, const char *bytes, size_t length)
{
    (void)send(connection, bytes, length, MSG_NOSIGNAL); /* a client may have gone away */
}

static void http_answer(int connection, int status, const char *header, size_t length)
{
    char head[256];
    int size = snprintf(head, sizeof head, "HTTP/1.1 %d Word\r\nContent-Length: %zu\r\n%s\r\n",
                        status, length, header);
    http_send(connection, head, (size_t)size);
}

static void http_fill(int connection, size_t length)
{
    char bytes[4096];
    memset(bytes, 'x', sizeof bytes);
    for (size_t piece; length > 0; length -= piece) {
        piece = length < sizeof bytes ? length : sizeof bytes;
        http_send(connection, bytes, piece);
    }
}

/* False when that was the end of the connection. */
static bool http_serve(int connection, const char *head)
{
    char path[32] = "";
    unsigned number = 0;
    (void)sscanf(head, "GET %31s", path);
    char *slash = strrchr(path, '/');
    if (slash && slash > path) {
        number = (unsigned)strtoul(slash + 1, NULL, 10);
        *slash = '\0';
    }
    if (strcmp(path, "/body") == 0) {
        http_answer(connection, 200, "", number);
        http_fill(connection, number);
    } else if (strcmp(path, "/short") == 0) {
        http_answer(connection, 200, "", number + 10);
        http_fill(connection, number);
        return false;
    } else if (strcmp(path, "/status") == 0) {
        http_answer(connection, (int)number, "", 1000);
        http_fill(connection, 1000);
    } else if (strcmp(path, "/head") == 0) {
        http_answer(connection, 200, "", strlen(head));
        http_send(connection, head, strlen(head));
    } else if (strcmp(path, "/redirect") == 0) {
        http_answer(connection, 302, "Location: /body/3\r\n", 0);
    } else if (strcmp(path, "/circle") == 0) {
        http_answer(connection, 302, "Location: /circle\r\n", 0);
    } else if (strcmp(path, "/strange") == 0) {
        http_send(connection, "what?\r\n\r\n", 9);
        return false;
    } else if (strcmp(path, "/stall") == 0) {
        char byte;
        http_answer(connection, 200, "", 1000);
        (void)!recv(connection, &byte, 1, 0); /* until the client goes away */
        return false;
    } else if (strcmp(path, "/endless") == 0) {
        http_answer(connection, (int)number, "", 1u << 30);
        http_fill(connection, 1u << 20);
        return false;
    } else {
        return false;
    }
    return true;
}

static void *http_converse(void *context)
{
    const int *connection = context;
    char head[4096];
    size_t length = 0;
    for (;;) {
        ssize_t count = recv(*connection, head + length, sizeof head - 1 - length, 0);
        if (count <= 0)
            break;
        length += (size_t)count;
        head[length] = '\0';
        if (!strstr(head, "\r\n\r\n"))
            continue;
        if (!http_serve(*connection, head))
            break;
        length = 0;
    }
    (void)shutdown(*connection, SHUT_RDWR);
    return NULL;
}

static void *http_accept(void *context)
{
    struct http_server *server = context;
    for (int index = 0; index < HTTP_CONNECTIONS; index++) {
        server->connections[index] = accept(server->socket, NULL, NULL);
        if (server->connections[index] < 0)
            break;
        if (pthread_create(&server->threads[index], NULL, http_converse,
                           &server->connections[index]) != 0)
            abort();
        atomic_store(&server->count, index + 1);
    }
    return NULL;
}

/* False when there is no loopback to serve on. */
static inline bool http_start(struct http_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    memset(server, 0, sizeof *server);
    server->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->socket < 0 ||
        bind(server->socket, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(server->socket, 16) < 0 ||
        getsockname(server->socket, (struct sockaddr *)&address, &length) < 0)
        return false;
    server->port = ntohs(address.sin_port);
    return pthread_create(&server->thread, NULL, http_accept, server) == 0;
}

static inline void http_stop(struct http_server *server)
{
    (void)shutdown(server->socket, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    for (int index = 0; index < atomic_load(&server->count); index++) {
        (void)shutdown(server->connections[index], SHUT_RDWR);
        (void)pthread_join(server->threads[index], NULL);
        (void)close(server->connections[index]);
    }
    (void)close(server->socket);
}

#endif
