/* Files from the network, many at once: each from the first of its mirrors that gives it whole and
 * right. What comes here is kept in the download cache, and comes from there the next time.
 *
 *     struct download_session *session;
 *     result = download_session_open(&settings, &session, error);
 *     struct download packages[] = {
 *         {.label = "cvmfs-2.13.3-1.el9.x86_64.rpm", .urls = urls, .url_count = 2,
 *          .checksum = &checksum, .size = 4711}};
 *     result = download_all(session, packages, 1, error);
 *     ... read packages[0].fd ...
 *     download_free(&packages[0]);
 *     download_session_close(session);
 *
 * What may be repeated (5xx, 408, 429 with its Retry-After, broken or slow connections, bodies that
 * end too early) is repeated, mirror after mirror, and after all of them from the first again with
 * a growing pause. A mirror that says no (404, 403, ...), that gives another checksum or another
 * size, or that does not end, is asked no more. A file that came in part is continued where it
 * ended, by a later run too. Proxies come from the environment (http_proxy, https_proxy, all_proxy,
 * no_proxy), certificates are checked. */
#ifndef CVMFSEXEC_PACKER_DOWNLOAD_H
#define CVMFSEXEC_PACKER_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packer/checksum.h"
#include "payload/base/error.h"
#include "payload/base/text.h"

enum download_state {
    DOWNLOAD_QUEUED,
    DOWNLOAD_ACTIVE, /* bytes come, or are asked for */
    DOWNLOAD_PAUSED, /* until it is tried again, or until another makedist has loaded it */
    DOWNLOAD_DONE,
    DOWNLOAD_FAILED,
};

struct download {
    /* What is wanted. All of it belongs to the caller and stays until the download is freed. */
    const char *label;               /* for people: a file name */
    const char *const *urls;         /* absolute: http, https or file; the preferred one first */
    size_t url_count;                /* at least 1 */
    const struct checksum *checksum; /* NULL: unknown; then the servers are asked each time, by
                                      * ETag and Last-Modified, whether a cached file is still it */
    uint64_t size;                   /* in bytes; 0: unknown */
    uint64_t limit;                  /* where the size is unknown: the most it may have; 0: 2 GB */
    bool optional;                   /* that it cannot be had does not end the others */

    /* What came of it: set by download_all, released by download_free. */
    int result;         /* 0, or why there is no file: a negative errno, see download_all */
    struct error error; /* its words, which name each mirror */
    int fd;             /* the file, for reading, at its beginning; -1 without one */
    struct text path;   /* its name in the cache: for messages, and libraries that open names */
    size_t url;         /* the number of the URL it came from; 0 for what was in the cache */
    bool cached;        /* nothing was transferred */

    /* How far it is; for those who show it. */
    enum download_state state;
    uint64_t received; /* bytes that are there, those of an earlier run too */
    uint64_t resumed;  /* of which came from an earlier run or attempt */
    uint64_t total;    /* 0: unknown yet */
};

/* Releases what came of it; also right for one that download_all has never seen, when its members
 * that were not named in the initialiser are 0. */
void download_free(struct download *download);

struct download_settings {
    const char *cache;          /* directory; is made when it is not there */
    unsigned parallel;          /* downloads at once */
    unsigned parallel_per_host; /* of them from one server */
    unsigned connect_timeout;   /* milliseconds, name resolution and TLS included */
    unsigned low_speed_limit;   /* bytes per second, ... */
    unsigned low_speed_time;    /* ... and how many seconds below it end an attempt */
    unsigned rounds;            /* how often all mirrors are tried, at least 1 */
    unsigned pause;             /* milliseconds before the second round; doubled for each further */
    unsigned pause_max;         /* milliseconds; a Retry-After beyond it is a no */
    const char *ca_bundle;      /* NULL: what the library finds, or $SSL_CERT_FILE */

    /* Called when something has changed, but not much more often than ten times in a second; and
     * once for every download that ends (`ended`, NULL otherwise). Or NULL. */
    void (*report)(void *context, const struct download *downloads, size_t count,
                   const struct download *ended);
    void *report_context;
    /* Asked several times in a second; a negative errno, with words, ends everything. Or NULL. */
    int (*interrupted)(void *context, struct error *error);
    void *interrupted_context;
};

/* What is sensible; `cache`, callbacks and `ca_bundle` are NULL. */
struct download_settings download_settings_default(void);

/* Where the cache is when nobody said: $XDG_CACHE_HOME/cvmfsexec or ~/.cache/cvmfsexec, appended to
 * `path`. -ENOENT with words where there is no home. */
int download_cache_default(struct text *path, struct error *error);

/* Connections and cache for any number of batches; one thread at a time uses it. The settings are
 * copied, their strings too. 0 or a negative errno (of the cache directory, mostly). */
struct download_session;
int download_session_open(const struct download_settings *settings,
                          struct download_session **session, struct error *error);
void download_session_close(struct download_session *session); /* NULL is allowed */

/* Loads all of them, `count` may be 0. Returns 0 when each that is not optional is there; otherwise
 * what ended the batch: those under way stay in part and are continued by the next run. -ENOENT
 * where no mirror has it, -EBADMSG where one gave something else, -EIO for other trouble of the
 * network, -EFBIG beyond the limit; others are of the local system, such as -ENOSPC, with the path.
 * Optional ones are to be asked for their own `result`. */
int download_all(struct download_session *session, struct download *downloads, size_t count,
                 struct error *error);

/* One small file into memory, such as metadata or a listing: appended to `text`. `limit`: the most
 * bytes it may have. As download_all. */
int download_text(struct download_session *session, const char *label, const char *const *urls,
                  size_t url_count, uint64_t limit, struct text *text, struct error *error);

#endif
