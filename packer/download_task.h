/* One download on its way through cache, mirrors and attempts; the batch (download.c) drives many
 * of them. */
#ifndef CVMFSEXEC_PACKER_DOWNLOAD_TASK_H
#define CVMFSEXEC_PACKER_DOWNLOAD_TASK_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "packer/download.h"
#include "packer/download_attempt.h"
#include "packer/download_cache.h"
#include "packer/download_mirrors.h"

/* What all tasks share; all of it is the session's. */
struct download_means {
    CURLM *multi;
    const struct download_cache *cache;
    const struct download_settings *settings;
    uint64_t *dice; /* state of the random numbers */
};

struct download_task {
    struct download *download;
    struct download_key key;
    struct text partial_name;
    struct download_mirrors mirrors;
    int partial;       /* locked, or -1 */
    int cached;        /* an entry that the servers are asked about, or -1 */
    int64_t wake;      /* when a paused task goes on: milliseconds of the monotonic clock */
    bool started_over; /* the current mirror has been asked for the whole file already */
    bool remembered;   /* what the server said stands beside the partial file */
    struct download_origin cached_origin;  /* of the entry */
    struct download_origin partial_origin; /* of the partial file */
    struct download_attempt attempt;       /* while the state is active */
};

/* 0 or -ENOMEM. The caller closes it in any case. */
int download_task_open(struct download_task *task, const struct download_means *means,
                       struct download *download);
void download_task_close(struct download_task *task, const struct download_means *means);

/* Takes a queued or paused task one step further: it is active, paused, or has ended, then. */
void download_task_step(struct download_task *task, const struct download_means *means,
                        int64_t now);

/* Notes how far an active task is. To be called now and then. */
void download_task_note(struct download_task *task, const struct download_means *means);

/* The transfer of an active task has ended. */
void download_task_transferred(struct download_task *task, const struct download_means *means,
                               CURLcode code, int64_t now);

bool download_task_ended(const struct download_task *task);

#endif
