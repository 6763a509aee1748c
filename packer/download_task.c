/* The states of one download: found in the cache; or locked, asked for from mirror after mirror,
 * verified, published. A task does not wait: it says when it wants to go on. */
#include "packer/download_task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/scope.h"

#define LOCK_RETRY 200 /* milliseconds between looks at a file that somebody else loads */

/* A generator for pauses, where nothing depends on its quality (xorshift64). */
static uint32_t roll(uint64_t *dice)
{
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    return (uint32_t)(*dice >> 32);
}

/* Lets go of the partial file. One without a byte is nothing to be continued. */
static void drop_partial(struct download_task *task, const struct download_means *means)
{
    struct stat status;
    if (task->partial >= 0 && fstat(task->partial, &status) == 0 && status.st_nlink > 0 &&
        status.st_size == 0)
        download_partial_remove(means->cache, &task->key);
    scope_close_fd(&task->partial);
    task->partial = -1;
}

static void end_failed(struct download_task *task, const struct download_means *means,
                       const struct error *error)
{
    struct download *download = task->download;
    download->error = *error;
    (void)error_prefix(&download->error, "downloading %s", download->label);
    download->result = download->error.code;
    download->state = DOWNLOAD_FAILED;
    drop_partial(task, means);
}

static void end_done(struct download_task *task, const struct download_means *means, int fd)
{
    struct download *download = task->download;
    struct stat status;
    if (fstat(fd, &status) < 0 ||
        text_printf(&download->path, "%s/%s", means->cache->path.bytes, task->key.name) < 0) {
        struct error error = ERROR_INIT;
        (void)error_system(&error, -ENOMEM, "keeping it");
        (void)close(fd);
        end_failed(task, means, &error);
        return;
    }
    download->fd = fd;
    download->received = download->total = (uint64_t)status.st_size;
    download->state = DOWNLOAD_DONE;
    scope_close_fd(&task->partial);
    task->partial = -1;
}

int download_task_open(struct download_task *task, const struct download_means *means,
                       struct download *download)
{
    *task = (struct download_task){.download = download, .partial = -1, .cached = -1};
    download->result = 0;
    download->error = (struct error)ERROR_INIT;
    download->fd = -1;
    download->path = (struct text)TEXT_INIT;
    download->url = 0;
    download->cached = false;
    download->state = DOWNLOAD_QUEUED;
    download->received = download->resumed = 0;
    download->total = download->size;
    const struct download_patience patience = {
        .rounds = means->settings->rounds,
        .pause = means->settings->pause,
        .pause_max = means->settings->pause_max,
    };
    int result = download_mirrors_open(download->url_count, patience, &task->mirrors);
    if (result == 0)
        result = download_key_make(download->checksum, download->urls[0], &task->key);
    if (result == 0)
        result = text_printf(&task->partial_name, "%s/%s.part", means->cache->path.bytes,
                             task->key.name);
    return result;
}

void download_task_close(struct download_task *task, const struct download_means *means)
{
    if (task->download && task->download->state == DOWNLOAD_ACTIVE) {
        (void)curl_multi_remove_handle(means->multi, task->attempt.curl);
        download_attempt_close(&task->attempt);
    }
    drop_partial(task, means);
    scope_close_fd(&task->cached);
    task->cached = -1;
    download_mirrors_close(&task->mirrors);
    download_origin_free(&task->cached_origin);
    download_origin_free(&task->partial_origin);
    text_free(&task->partial_name);
}

bool download_task_ended(const struct download_task *task)
{
    return task->download->state == DOWNLOAD_DONE || task->download->state == DOWNLOAD_FAILED;
}

/* Looks for what is there already. With a checksum that is the end; without one it is only what the
 * servers are asked about. 0, -ENOENT, or another error. */
static int look_in_cache(struct download_task *task, const struct download_means *means,
                         struct error *error)
{
    const struct download *download = task->download;
    int fd = -1;
    if (checksum_known(download->checksum)) {
        int result = download_entry_find(means->cache, &task->key, download->checksum,
                                         download->size, &fd, error);
        if (result < 0)
            return result;
        task->download->cached = true;
        end_done(task, means, fd);
        return 0;
    }
    if (task->cached >= 0)
        return -ENOENT;
    if (download_origin_load(means->cache, &task->key, "", &task->cached_origin) < 0)
        return error_system(error, -ENOMEM, "looking into the cache");
    if (!checksum_known(&task->cached_origin.checksum))
        return -ENOENT;
    int result = download_entry_find(means->cache, &task->key, &task->cached_origin.checksum,
                                     download->size, &fd, error);
    if (result == 0) {
        task->cached = fd;
        return -ENOENT;
    }
    download_origin_free(&task->cached_origin);
    return result;
}

/* Takes the lock of the partial file, and looks again for what its last owner may have left.
 * 0 when the task has ended or is paused, 1 with the lock, or a negative errno. */
static int take_partial(struct download_task *task, const struct download_means *means, int64_t now,
                        struct error *error)
{
    int result = download_partial_open(means->cache, &task->key, &task->partial, error);
    if (result == -EAGAIN) {
        task->download->state = DOWNLOAD_PAUSED;
        task->wake = now + LOCK_RETRY;
        return 0;
    }
    if (result < 0)
        return result;
    result = look_in_cache(task, means, error);
    if (result == 0) {
        download_partial_remove(means->cache, &task->key);
        return 0;
    }
    if (result != -ENOENT)
        return result;
    result = download_origin_load(means->cache, &task->key, ".part", &task->partial_origin);
    return result < 0 ? error_system(error, result, "looking into the cache") : 1;
}

/* How much of the partial file can be continued. One that is longer than the file is none of it. */
static uint64_t usable_length(const struct download_task *task)
{
    struct stat status;
    if (fstat(task->partial, &status) < 0 || status.st_size <= 0)
        return 0;
    const uint64_t length = (uint64_t)status.st_size;
    return task->download->size > 0 && length > task->download->size ? 0 : length;
}

static void begin_attempt(struct download_task *task, const struct download_means *means,
                          uint64_t resume)
{
    struct download *download = task->download;
    const struct download_question question = {
        .wanted = download,
        .url = download->urls[task->mirrors.current],
        .partial = task->partial,
        .partial_name = task->partial_name.bytes,
        .resume = resume,
        .cached = task->cached >= 0 ? &task->cached_origin : NULL,
        .origin = &task->partial_origin,
    };
    /* It comes back with the first bytes of the answer: what is there in part and what is said of
     * it must never be of two answers. */
    download_partial_forget(means->cache, &task->key);
    task->remembered = false;
    int result = download_attempt_begin(&task->attempt, means->settings, &question);
    if (result == 0 && curl_multi_add_handle(means->multi, task->attempt.curl) != CURLM_OK)
        result = -ENOMEM;
    if (result < 0) {
        struct error error = ERROR_INIT;
        (void)error_system(&error, result, "%s", question.url);
        download_attempt_close(&task->attempt);
        end_failed(task, means, &error);
        return;
    }
    download->received = download->resumed = task->attempt.offset;
    download->state = DOWNLOAD_ACTIVE;
}

/* The bytes are there: are they right? 1: yes, with the checksum; 0: no; or an error. */
static int verify(const struct download_task *task, struct checksum *found, struct error *error)
{
    const struct checksum *wanted = task->download->checksum;
    const char *kind = checksum_known(wanted) ? wanted->kind : "sha256";
    int result = checksum_of_file(task->partial, kind, found);
    if (result < 0)
        return error_system(error, result, "reading %s", task->partial_name.bytes);
    if (!checksum_known(wanted) || checksum_equal(found, wanted))
        return 1;
    (void)error_set(error, -EBADMSG, "its %s is %s instead of %s", kind, found->digits,
                    wanted->digits);
    return 0;
}

/* Makes an entry of a verified partial file. What the server said of it goes first: it holds the
 * checksum, so that it can not be taken for a description of other content. */
static int publish(struct download_task *task, const struct download_means *means,
                   const struct checksum *found, struct error *error)
{
    int fd = -1;
    int result = 0;
    if (!checksum_known(task->download->checksum)) {
        task->partial_origin.checksum = *found;
        result = download_origin_store(means->cache, &task->key, "", &task->partial_origin, error);
    }
    if (result == 0)
        result = download_partial_publish(means->cache, &task->key, task->partial, &fd, error);
    if (result < 0)
        return result;
    task->download->url = task->mirrors.current;
    end_done(task, means, fd);
    return 0;
}

/* The mirror failed: on to the next, now or later, or to the end of all of it. */
static void fail_mirror(struct download_task *task, const struct download_means *means,
                        bool may_pass, int64_t retry_after, int64_t now, const struct error *error)
{
    struct download_mirrors *mirrors = &task->mirrors;
    mirrors->items[mirrors->current].error = *error;
    task->started_over = false;
    const uint32_t dice = roll(means->dice);
    const bool more = may_pass ? download_mirrors_retry(mirrors, now, retry_after, dice)
                               : download_mirrors_refuse(mirrors, now, dice);
    if (more) {
        task->download->state = DOWNLOAD_PAUSED;
        task->wake = download_mirrors_time(mirrors);
        return;
    }
    struct error all = ERROR_INIT;
    (void)download_mirrors_error(mirrors, &all);
    end_failed(task, means, &all);
}

/* Empties the partial file. False when that ended the download. */
static bool discard_partial(struct download_task *task, const struct download_means *means)
{
    struct error error = ERROR_INIT;
    download_origin_free(&task->partial_origin);
    download_partial_forget(means->cache, &task->key);
    if (ftruncate(task->partial, 0) == 0)
        return true;
    (void)error_system(&error, -errno, "emptying %s", task->partial_name.bytes);
    end_failed(task, means, &error);
    return false;
}

/* What the mirror gave is wrong: nothing of it stays, and it is not asked again. */
static void fail_with_content(struct download_task *task, const struct download_means *means,
                              int64_t now, const struct error *error)
{
    if (discard_partial(task, means))
        fail_mirror(task, means, false, 0, now, error);
}

/* What there is in part is of no use: it goes, and the same mirror is asked for all of it. When
 * that has happened before, it is the mirror. */
static void start_over(struct download_task *task, const struct download_means *means, int64_t now,
                       const struct error *error)
{
    if (!discard_partial(task, means))
        return;
    if (task->started_over) {
        fail_mirror(task, means, false, 0, now, error);
        return;
    }
    task->started_over = true;
    task->download->state = DOWNLOAD_PAUSED;
    task->wake = now;
}

/* A local failure ends it. A full disk gets its room back; otherwise the part stays. */
static void fail_locally(struct download_task *task, const struct download_means *means,
                         const struct error *error)
{
    if (task->partial >= 0 &&
        (error->code == -ENOSPC || error->code == -EDQUOT || error->code == -EFBIG))
        download_partial_remove(means->cache, &task->key);
    end_failed(task, means, error);
}

static void complete(struct download_task *task, const struct download_means *means, bool resumed,
                     const char *from, int64_t now)
{
    struct error error = ERROR_INIT;
    struct checksum found = CHECKSUM_NONE;
    int result = verify(task, &found, &error);
    if (result == 0) {
        (void)error_prefix(&error, "%s", from);
        if (resumed) {
            start_over(task, means, now, &error);
            return;
        }
        fail_with_content(task, means, now, &error);
        return;
    }
    if (result > 0)
        result = publish(task, means, &found, &error);
    if (result < 0)
        fail_locally(task, means, &error);
}

void download_task_step(struct download_task *task, const struct download_means *means, int64_t now)
{
    struct error error = ERROR_INIT;
    if (task->partial < 0) {
        int result = look_in_cache(task, means, &error);
        if (result == 0)
            return;
        if (result == -ENOENT)
            result = take_partial(task, means, now, &error);
        if (result == 0)
            return;
        if (result < 0) {
            end_failed(task, means, &error);
            return;
        }
    }
    const uint64_t resume = usable_length(task);
    const bool is_whole =
        checksum_known(task->download->checksum) && resume > 0 && resume == task->download->size;
    if (is_whole) /* an earlier run was interrupted before it could verify it */
        complete(task, means, true, task->partial_name.bytes, now);
    else
        begin_attempt(task, means, resume);
}

static void keep_cached(struct download_task *task, const struct download_means *means)
{
    download_partial_remove(means->cache, &task->key);
    task->download->cached = true;
    task->download->url = task->mirrors.current;
    end_done(task, means, steal_fd(&task->cached));
}

void download_task_note(struct download_task *task, const struct download_means *means)
{
    const struct download_attempt *attempt = &task->attempt;
    task->download->received = attempt->length;
    task->download->resumed = attempt->offset;
    if (attempt->total > 0)
        task->download->total = attempt->total;
    if (task->remembered || attempt->length == 0 || task->partial_origin.url.length == 0)
        return;
    task->remembered = true;
    /* A failure costs nothing but the continuation of this file by another run. */
    (void)download_origin_store(means->cache, &task->key, ".part", &task->partial_origin, NULL);
}

void download_task_transferred(struct download_task *task, const struct download_means *means,
                               CURLcode code, int64_t now)
{
    struct error error = ERROR_INIT;
    int64_t retry_after = 0;
    download_task_note(task, means);
    const enum download_verdict verdict =
        download_attempt_end(&task->attempt, code, &retry_after, &error);
    const bool resumed = task->attempt.offset > 0;
    const bool has_written = task->attempt.length > task->attempt.offset;
    auto_text struct text from = task->attempt.url;
    task->attempt.url = (struct text)TEXT_INIT;
    (void)curl_multi_remove_handle(means->multi, task->attempt.curl);
    download_attempt_close(&task->attempt);
    task->download->state = DOWNLOAD_PAUSED;
    task->wake = now;
    switch (verdict) {
    case DOWNLOAD_WHOLE:
        complete(task, means, resumed, from.bytes, now);
        break;
    case DOWNLOAD_UNCHANGED:
        if (task->cached >= 0)
            keep_cached(task, means);
        else
            start_over(task, means, now, &error);
        break;
    case DOWNLOAD_AGAIN:
        fail_mirror(task, means, true, retry_after, now, &error);
        break;
    case DOWNLOAD_RESTART:
        start_over(task, means, now, &error);
        break;
    case DOWNLOAD_REFUSED:
        if (has_written)
            fail_with_content(task, means, now, &error);
        else
            fail_mirror(task, means, false, 0, now, &error);
        break;
    case DOWNLOAD_LOCAL:
        fail_locally(task, means, &error);
        break;
    }
}
