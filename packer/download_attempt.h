/* One request for one URL, into a partial file: what is asked, what the answer means, and what it
 * may do to the file. Which URL comes next, and when, is not its concern (download_mirrors.h). */
#ifndef CVMFSEXEC_PACKER_DOWNLOAD_ATTEMPT_H
#define CVMFSEXEC_PACKER_DOWNLOAD_ATTEMPT_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packer/download.h"
#include "packer/download_cache.h"
#include "payload/base/error.h"
#include "payload/base/text.h"

enum download_verdict {
    DOWNLOAD_WHOLE,     /* the body ended where it should */
    DOWNLOAD_UNCHANGED, /* what is cached is still right */
    DOWNLOAD_AGAIN,     /* a failure that may pass */
    DOWNLOAD_RESTART,   /* what was there in part does not go with what the server has */
    DOWNLOAD_REFUSED,   /* a failure that will not pass, of this server */
    DOWNLOAD_LOCAL,     /* a failure of this system */
};

struct download_attempt {
    CURL *curl; /* in use between begin and end */
    struct curl_slist *request_headers;
    char words[CURL_ERROR_SIZE];
    struct text url; /* for people: without user and password */

    int partial;                    /* descriptor; the caller's */
    const char *partial_name;       /* for messages; the caller's */
    const struct download *wanted;  /* the caller's */
    uint64_t offset;                /* where the answer begins */
    uint64_t length;                /* of the file, now */
    uint64_t total;                 /* of the file, at the end, as the server says; 0: unknown */
    bool judged;                    /* the status of the answer was looked at */
    bool wanted_body;               /* and it is one whose body is wanted */
    enum download_verdict verdict;  /* when it was stopped by us */
    struct error error;             /* its words */
    struct download_origin *origin; /* takes the validators of the answer; the caller's */

    size_t header_bytes;
    uint64_t discarded; /* of a body that is not wanted */
    char etag[DOWNLOAD_VALIDATOR_ROOM], modified[DOWNLOAD_VALIDATOR_ROOM], range[64];
};

struct download_question {
    const struct download *wanted;
    const char *url;
    int partial;
    const char *partial_name;
    uint64_t resume;                      /* bytes of the partial file to keep; 0: from the start */
    const struct download_origin *cached; /* an entry to ask about, or NULL */
    struct download_origin *origin;       /* in: of the partial file; out: of the answer */
};

/* Sets up the handle for one request. The question's members must stay until it is closed. 0, or
 * -EINVAL for a URL that is none, -ENOMEM. */
int download_attempt_begin(struct download_attempt *attempt,
                           const struct download_settings *settings,
                           const struct download_question *question);

/* Says what the ended transfer was, with words in `error` where it is none of the first two, and
 * how many seconds the server wants to be left alone (0: it did not say). */
enum download_verdict download_attempt_end(struct download_attempt *attempt, CURLcode code,
                                           int64_t *retry_after, struct error *error);

/* Releases what begin has set up, after its failure too. */
void download_attempt_close(struct download_attempt *attempt);

/* The name and port of the server of a URL, as a part of the URL. */
void download_host(const char *url, const char **host, size_t *length);

#endif
