/* One GET of one URL: the boundary to libcurl.
 *
 * libcurl and what it needs are thirty libraries, which a start from a full cache must not pay
 * for. So transfer.c alone is built into libcvmfsexec-transfer.so, which is loaded at the first
 * download and exports one symbol, a table of functions. Nothing in it calls back into the client
 * but the writer of a request. Tests put a table of their own in its place. */
#ifndef CVMFSEXEC_CLIENT_TRANSFER_H
#define CVMFSEXEC_CLIENT_TRANSFER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"

#define TRANSFER_ABI 1
#define TRANSFER_LIBRARY "libcvmfsexec-transfer.so"
#define TRANSFER_SYMBOL "cvmfsexec_transfer_operations"

/* How a transfer ended. That an answer came whole says nothing about its status. */
enum transfer_outcome {
    TRANSFER_ANSWERED,
    TRANSFER_BAD_URL,
    TRANSFER_BAD_PROTOCOL,
    TRANSFER_PROXY_UNRESOLVED,
    TRANSFER_HOST_UNRESOLVED,
    TRANSFER_NOT_CONNECTED, /* refused, unreachable, no connection in time, no TLS session */
    TRANSFER_SLOW,          /* below the low speed limit for the whole window */
    TRANSFER_SHORT,         /* the connection ended before the body did */
    TRANSFER_REFUSED,       /* the writer did not want any more */
    TRANSFER_CANCELLED,
    TRANSFER_FAILED, /* everything else */
};

/* What all transfers of a connection have in common. The strings are copied. */
struct transfer_options {
    const char *user_agent;
    const char *ca_directory; /* for https; NULL with ca_bundle NULL: what the library finds */
    const char *ca_bundle;
};

/* Takes a piece of the body; called for the body of a 2xx answer only. Anything but 0 ends the
 * transfer. */
typedef int transfer_writer(void *context, const void *bytes, size_t length);

struct transfer_request {
    const char *url;            /* escaped; http, https or file */
    const char *proxy;          /* URL, or NULL: none (never what the environment says) */
    const char *const *headers; /* further lines "Name: value", NULL behind them; or NULL */
    uint64_t offset;            /* of the range, when length is not 0 */
    uint64_t length;
    unsigned connect_timeout;  /* seconds */
    unsigned low_speed_limit;  /* bytes per second */
    unsigned low_speed_window; /* seconds below the limit until the transfer is given up */
    bool follow_redirects;     /* at most 4 */
    transfer_writer *write;
    void *context;
    const atomic_bool *cancelled; /* looked at about once in a second; or NULL */
};

struct transfer_result {
    enum transfer_outcome outcome;
    int status;        /* of HTTP; 0 when there was none; a file that is read has 200 */
    int refusal;       /* what the writer said, for TRANSFER_REFUSED */
    uint64_t received; /* bytes of body, discarded ones too */
    char words[256];   /* of the library, "" when it has none */
};

/* A connection keeps sockets alive between its transfers. One thread at a time may use it. */
struct transfer_connection;

struct transfer_operations {
    unsigned abi; /* TRANSFER_ABI; the first field of every version */
    /* 0 or -ENOMEM. */
    int (*open)(const struct transfer_options *options, struct transfer_connection **connection);
    void (*perform)(struct transfer_connection *connection, const struct transfer_request *request,
                    struct transfer_result *result);
    void (*close)(struct transfer_connection *connection);
};

/* The table, loaded when it is not there yet. 0, or -EIO with the loader's words. */
int transfer_load(const struct transfer_operations **operations, struct error *error);

/* Puts a table in the place of the library's; NULL takes it away again. */
void transfer_use(const struct transfer_operations *operations);

#endif
