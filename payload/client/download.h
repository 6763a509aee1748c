/* One body from a list of servers, through a list of proxies, with the failovers and retries of
 * cvmfs-format.md 9. Knows nothing of hashes and caches: whoever takes the bytes says whether
 * they are good. */
#ifndef CVMFSEXEC_CLIENT_DOWNLOAD_H
#define CVMFSEXEC_CLIENT_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/config/parameters.h"

struct downloader;

enum downloader_kind { DOWNLOADER_REGULAR, DOWNLOADER_EXTERNAL };

/* Servers, proxies, timeouts from the parameters (the CVMFS_EXTERNAL_ ones for the external kind).
 * -ENOENT: no usable proxy is configured (the client's exit status 23). No network is touched. */
int downloader_create(const struct parameters *parameters, enum downloader_kind kind,
                      struct downloader **downloader, struct error *error);
/* When no thread is in a download any more. */
void downloader_destroy(struct downloader *downloader);

/* Ends the downloads that are under way, within about a second, and all later ones. */
void downloader_cancel(struct downloader *downloader);

/* The numbered failure classes of cvmfs-format.md 9.4 (1...18), and their words. */
enum download_failure {
    DOWNLOAD_OK = 0,
    DOWNLOAD_LOCAL_IO = 1,
    DOWNLOAD_BAD_URL = 2,
    DOWNLOAD_PROXY_RESOLVE = 3,
    DOWNLOAD_HOST_RESOLVE = 4,
    DOWNLOAD_ALL_PROXIES = 5,
    DOWNLOAD_PROXY_CONNECTION = 6,
    DOWNLOAD_HOST_CONNECTION = 7,
    DOWNLOAD_PROXY_HTTP = 8,
    DOWNLOAD_HOST_HTTP = 9,
    DOWNLOAD_CORRUPTED = 10,
    DOWNLOAD_TOO_BIG = 11,
    DOWNLOAD_OTHER = 12,
    DOWNLOAD_PROTOCOL = 13,
    DOWNLOAD_PROXY_SLOW = 14,
    DOWNLOAD_HOST_SLOW = 15,
    DOWNLOAD_PROXY_SHORT = 16,
    DOWNLOAD_HOST_SHORT = 17,
    DOWNLOAD_CANCELLED = 18,
};
const char *download_failure_text(enum download_failure failure);

/* Where the bytes go. One request may start several times: `start` says that what came before is
 * void. `write` returns 0, or a negative errno that ends the request (local trouble), or 1: what
 * comes cannot be right. `finish` returns 0 for a good body, 1 for a corrupt one, negative for
 * local trouble. */
struct download_sink {
    int (*start)(void *context);
    int (*write)(void *context, const void *bytes, size_t length);
    int (*finish)(void *context);
    void *context;
};

struct download_request {
    const char *path;  /* behind the server's URL, beginning with '/'; not yet escaped */
    const char *label; /* for messages; NULL: the path */
    const char *info;  /* for the info header where that is configured, or NULL */
    uint64_t offset;   /* range, when length is not 0 */
    uint64_t length;
    struct download_sink sink;
    size_t *server; /* out, on success: the number of the server that it came from; or NULL */
};

/* 0; the negative errno of the sink; or -EIO. The words in `error` are those of the last failure,
 * the official ones and behind them what happened: "LABEL (9 - host returned HTTP error): URL:
 * status 404". `*failure` (may be NULL) is its class. */
int download(struct downloader *downloader, const struct download_request *request,
             enum download_failure *failure, struct error *error);

/* For a manifest that came whole and is nevertheless no good: the server behind the one that it
 * came from becomes current, however many have failed since. */
void downloader_skip_server(struct downloader *downloader, size_t server, const char *reason);
size_t downloader_server_count(const struct downloader *downloader);

/* What the magic extended attributes show (cvmfs-format.md 10.6). Appended to `text`. */
int downloader_host(struct downloader *downloader, struct text *text);      /* current URL */
int downloader_host_list(struct downloader *downloader, struct text *text); /* a;b from current */
/* The current one, or DIRECT; in its IP form once something has been downloaded. */
int downloader_proxy(struct downloader *downloader, struct text *text);
int downloader_proxy_list(struct downloader *downloader, struct text *text); /* a line each */
struct downloader_counters {
    uint64_t requests, received_bytes, nanoseconds;
    unsigned timeout, timeout_direct; /* seconds */
};
void downloader_counters(struct downloader *downloader, struct downloader_counters *counters);

#endif
