/* Batches of downloads: who may run now, what the network has done, and what the caller hears of
 * it. What becomes of one download is in download_task.c. */
#include "packer/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "packer/clock.h"
#include "packer/download_attempt.h"
#include "packer/download_cache.h"
#include "packer/download_task.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"

#define LOOK_INTERVAL 100 /* milliseconds between two questions to the caller */

struct download_session {
    struct download_settings settings;
    char *ca_bundle;
    struct download_cache cache;
    CURLM *multi;
    uint64_t dice;
};

struct batch {
    struct download_session *session;
    struct download_means means;
    struct download *downloads;
    struct download_task *tasks;
    size_t count;
    int64_t reported; /* when the caller heard last */
};

struct download_settings download_settings_default(void)
{
    return (struct download_settings){
        .parallel = 6,
        .parallel_per_host = 3,
        .connect_timeout = 20000,
        .low_speed_limit = 1000,
        .low_speed_time = 30,
        .rounds = 4,
        .pause = 1000,
        .pause_max = 60000,
    };
}

void download_free(struct download *download)
{
    if (download->path.bytes) /* only then there is a descriptor: an untouched one has 0 there */
        scope_close_fd(&download->fd);
    download->fd = -1;
    text_free(&download->path);
}

/* The library's own default is that of the machine it was built for. */
static const char *choose_ca_bundle(const struct download_settings *settings)
{
    const char *from_environment = getenv("SSL_CERT_FILE");
    if (settings->ca_bundle)
        return settings->ca_bundle;
    return from_environment && from_environment[0] ? from_environment : NULL;
}

int download_session_open(const struct download_settings *settings,
                          struct download_session **session, struct error *error)
{
    struct download_session *made = calloc(1, sizeof *made);
    if (!made)
        return error_system(error, -ENOMEM, "preparing downloads");
    made->settings = *settings;
    made->cache = (struct download_cache)DOWNLOAD_CACHE_INIT;
    int result = download_cache_open(settings->cache, &made->cache, error);
    made->settings.cache = made->cache.path.bytes;
    const char *ca_bundle = choose_ca_bundle(settings);
    made->ca_bundle = ca_bundle ? strdup(ca_bundle) : NULL;
    made->settings.ca_bundle = made->ca_bundle;
    if (getrandom(&made->dice, sizeof made->dice, GRND_NONBLOCK) < 0 || made->dice == 0)
        made->dice = (uint64_t)clock_milliseconds() | 1;
    if (result == 0 && (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
                        !(made->multi = curl_multi_init()) || (ca_bundle && !made->ca_bundle)))
        result = error_system(error, -ENOMEM, "preparing downloads");
    if (result < 0) {
        download_session_close(made);
        return result;
    }
    *session = made;
    return 0;
}

void download_session_close(struct download_session *session)
{
    if (!session)
        return;
    if (session->multi)
        (void)curl_multi_cleanup(session->multi);
    download_cache_close(&session->cache);
    free(session->ca_bundle);
    free(session);
}

static bool is_same_host(const char *one, const char *other)
{
    const char *one_host = NULL, *other_host = NULL;
    size_t one_length = 0, other_length = 0;
    download_host(one, &one_host, &one_length);
    download_host(other, &other_host, &other_length);
    return one_length == other_length && strncasecmp(one_host, other_host, one_length) == 0;
}

static const char *current_url(const struct download_task *task)
{
    return task->download->urls[task->mirrors.current];
}

/* Whether another attempt may begin, and at the server that this task would ask. */
static bool has_slot(const struct batch *batch, const struct download_task *task)
{
    const struct download_settings *settings = &batch->session->settings;
    unsigned active = 0, active_there = 0;
    for (size_t index = 0; index < batch->count; index++) {
        const struct download_task *other = &batch->tasks[index];
        if (other->download->state != DOWNLOAD_ACTIVE)
            continue;
        active++;
        active_there += is_same_host(current_url(other), current_url(task));
    }
    return active < settings->parallel && active_there < settings->parallel_per_host;
}

static void report(struct batch *batch, const struct download *ended)
{
    const struct download_settings *settings = &batch->session->settings;
    batch->reported = clock_milliseconds();
    if (settings->report)
        settings->report(settings->report_context, batch->downloads, batch->count, ended);
}

/* Lets all tasks begin that can. */
static void step_tasks(struct batch *batch, int64_t now)
{
    for (size_t index = 0; index < batch->count; index++) {
        struct download_task *task = &batch->tasks[index];
        const enum download_state state = task->download->state;
        const bool is_due =
            state == DOWNLOAD_QUEUED || (state == DOWNLOAD_PAUSED && task->wake <= now);
        if (!is_due || !has_slot(batch, task))
            continue;
        download_task_step(task, &batch->means, now);
        if (download_task_ended(task))
            report(batch, task->download);
    }
}

static struct download_task *task_of(const struct batch *batch, CURL *curl)
{
    for (size_t index = 0; index < batch->count; index++)
        if (batch->tasks[index].download->state == DOWNLOAD_ACTIVE &&
            batch->tasks[index].attempt.curl == curl)
            return &batch->tasks[index];
    return NULL;
}

static void take_messages(struct batch *batch)
{
    int left = 0;
    for (CURLMsg *message; (message = curl_multi_info_read(batch->means.multi, &left));) {
        struct download_task *task = task_of(batch, message->easy_handle);
        if (message->msg != CURLMSG_DONE || !task)
            continue;
        download_task_transferred(task, &batch->means, message->data.result, clock_milliseconds());
        if (download_task_ended(task))
            report(batch, task->download);
    }
}

/* Copies how far the transfers are to where the caller sees it. */
static void note_progress(struct batch *batch)
{
    for (size_t index = 0; index < batch->count; index++) {
        struct download_task *task = &batch->tasks[index];
        if (task->download->state == DOWNLOAD_ACTIVE)
            download_task_note(task, &batch->means);
    }
    if (clock_milliseconds() - batch->reported >= LOOK_INTERVAL)
        report(batch, NULL);
}

/* The first failure that has to end the batch, or NULL; `*left` is how many have not ended. */
static const struct download *find_failure(const struct batch *batch, size_t *left)
{
    *left = 0;
    for (size_t index = 0; index < batch->count; index++) {
        const struct download *download = &batch->downloads[index];
        if (download->state == DOWNLOAD_FAILED && !download->optional)
            return download;
        *left += !download_task_ended(&batch->tasks[index]);
    }
    return NULL;
}

/* How long there is nothing to do, unless the network has news. */
static int idle_time(const struct batch *batch, int64_t now)
{
    int64_t time = LOOK_INTERVAL;
    for (size_t index = 0; index < batch->count; index++) {
        const struct download_task *task = &batch->tasks[index];
        if (task->download->state == DOWNLOAD_PAUSED && task->wake > now && task->wake - now < time)
            time = task->wake - now;
    }
    return (int)time;
}

static int run(struct batch *batch, struct error *error)
{
    const struct download_settings *settings = &batch->session->settings;
    for (;;) {
        int result =
            settings->interrupted ? settings->interrupted(settings->interrupted_context, error) : 0;
        if (result < 0)
            return result;
        step_tasks(batch, clock_milliseconds());
        int running = 0;
        if (curl_multi_perform(batch->means.multi, &running) != CURLM_OK)
            return error_system(error, -ENOMEM, "downloading");
        take_messages(batch);
        note_progress(batch);
        size_t left = 0;
        const struct download *failed = find_failure(batch, &left);
        if (failed) {
            if (error)
                *error = failed->error;
            return failed->result;
        }
        if (left == 0)
            return 0;
        if (curl_multi_poll(batch->means.multi, NULL, 0, idle_time(batch, clock_milliseconds()),
                            NULL) != CURLM_OK)
            return error_system(error, -EIO, "waiting for downloads");
    }
}

int download_all(struct download_session *session, struct download *downloads, size_t count,
                 struct error *error)
{
    if (count == 0)
        return 0;
    auto_free struct download_task *tasks = calloc(count, sizeof *tasks);
    if (!tasks)
        return error_system(error, -ENOMEM, "downloading");
    struct batch batch = {
        .session = session,
        .means = {session->multi, &session->cache, &session->settings, &session->dice},
        .downloads = downloads,
        .tasks = tasks,
        .count = count,
    };
    int result = 0;
    for (size_t index = 0; index < count; index++) {
        int opened = download_task_open(&tasks[index], &batch.means, &downloads[index]);
        if (opened < 0 && result == 0)
            result = error_system(error, opened, "downloading %s", downloads[index].label);
    }
    if (result == 0)
        result = run(&batch, error);
    for (size_t index = 0; index < count; index++) {
        const bool ended = download_task_ended(&tasks[index]);
        download_task_close(&tasks[index], &batch.means);
        if (ended)
            continue;
        downloads[index].state = DOWNLOAD_FAILED;
        downloads[index].result = error_set(&downloads[index].error, -ECANCELED,
                                            "downloading %s: was given up because "
                                            "of another failure",
                                            downloads[index].label);
    }
    return result;
}

int download_text(struct download_session *session, const char *label, const char *const *urls,
                  size_t url_count, uint64_t limit, struct text *text, struct error *error)
{
    struct download download = {
        .label = label, .urls = urls, .url_count = url_count, .limit = limit};
    int result = download_all(session, &download, 1, error);
    if (result == 0) {
        result = file_load_fd(download.fd, limit, text);
        if (result < 0)
            (void)error_system(error, result, "reading %s", download.path.bytes);
    }
    download_free(&download);
    return result;
}
