/* The loop of attempts of one request. What an attempt is made of: connections.h and transfer.h;
 * what follows a failed one: failover.h; who is asked next: route.h. */
#include "payload/client/download.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "payload/base/scope.h"
#include "payload/client/downloader.h"
#include "payload/client/failover.h"
#include "payload/client/log.h"
#include "payload/client/url.h"

#define NANOSECONDS 1000000000
#define HEADERS_MAX 4

static const char *const failure_texts[] = {
    [DOWNLOAD_OK] = "OK",
    [DOWNLOAD_LOCAL_IO] = "local I/O failure",
    [DOWNLOAD_BAD_URL] = "malformed URL",
    [DOWNLOAD_PROXY_RESOLVE] = "failed to resolve proxy address",
    [DOWNLOAD_HOST_RESOLVE] = "failed to resolve host address",
    [DOWNLOAD_ALL_PROXIES] = "all proxies failed, trying host fail-over",
    [DOWNLOAD_PROXY_CONNECTION] = "proxy connection problem",
    [DOWNLOAD_HOST_CONNECTION] = "host connection problem",
    [DOWNLOAD_PROXY_HTTP] = "proxy returned HTTP error",
    [DOWNLOAD_HOST_HTTP] = "host returned HTTP error",
    [DOWNLOAD_CORRUPTED] = "corrupted data received",
    [DOWNLOAD_TOO_BIG] = "resource too big to download",
    [DOWNLOAD_OTHER] = "unknown network error",
    [DOWNLOAD_PROTOCOL] = "unsupported protocol",
    [DOWNLOAD_PROXY_SLOW] = "proxy serving data too slowly",
    [DOWNLOAD_HOST_SLOW] = "host serving data too slowly",
    [DOWNLOAD_PROXY_SHORT] = "proxy data transfer cut short",
    [DOWNLOAD_HOST_SHORT] = "host data transfer cut short",
    [DOWNLOAD_CANCELLED] = "request cancelled",
};

const char *download_failure_text(enum download_failure failure)
{
    return failure_texts[failure];
}

/* One try of a request and what came of it. */
struct attempt {
    const struct download_request *request;
    struct leg leg;
    bool no_cache;
    struct text *url;
    enum download_failure failure;
    int code;                      /* negative errno of local trouble, else 0 */
    struct transfer_result result; /* of the last transfer */
    struct error error;            /* words for what no transfer has words for */
};

static int build_url(struct text *url, const struct leg *leg, const char *path)
{
    url->length = 0;
    int result = url_escape(url, leg->server_url);
    while (result == 0 && url->length > 0 && url->bytes[url->length - 1] == '/')
        url->bytes[--url->length] = '\0';
    return result < 0 ? result : url_escape(url, path);
}

/* The header lines that only some requests have; `info` is the memory for one of them. */
static int build_headers(const struct downloader *downloader, const struct attempt *attempt,
                         struct text *info, const char *lines[HEADERS_MAX])
{
    size_t count = 0;
    if (attempt->no_cache) {
        lines[count++] = "Pragma: no-cache";
        lines[count++] = "Cache-Control: no-cache";
    }
    lines[count] = NULL;
    if (!downloader->settings.send_info || !attempt->request->info)
        return 0;
    int result = text_append_string(info, "cvmfs-info: ");
    if (result == 0)
        result = url_escape(info, attempt->request->info);
    lines[count++] = info->bytes;
    lines[count] = NULL;
    return result;
}

static int64_t nanoseconds_between(const struct timespec *begin, const struct timespec *end)
{
    return (int64_t)(end->tv_sec - begin->tv_sec) * NANOSECONDS + (end->tv_nsec - begin->tv_nsec);
}

static void count(struct downloader *downloader, const struct attempt *attempt,
                  const struct timespec *begin)
{
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &end); /* never fails for this clock */
    (void)atomic_fetch_add(&downloader->requests, 1);
    (void)atomic_fetch_add(&downloader->received, attempt->result.received);
    (void)atomic_fetch_add(&downloader->nanoseconds, (uint64_t)nanoseconds_between(begin, &end));
}

/* 0, or a negative errno of local trouble. */
static int transfer(struct downloader *downloader, struct attempt *attempt)
{
    const struct download_request *request = attempt->request;
    const struct download_settings *settings = &downloader->settings;
    bool proxied = attempt->leg.proxy_url != NULL;
    unsigned timeout = proxied ? settings->timeout : settings->timeout_direct;
    auto_text struct text info = TEXT_INIT;
    const char *headers[HEADERS_MAX];
    int result = build_headers(downloader, attempt, &info, headers);
    struct transfer_connection *connection = NULL;
    if (result == 0)
        result = connections_take(&downloader->connections, &connection, &attempt->error);
    if (result < 0)
        return result;
    const struct transfer_request wanted = {
        .url = attempt->url->bytes,
        .proxy = attempt->leg.proxy_url,
        .headers = headers,
        .offset = request->offset,
        .length = request->length,
        .connect_timeout = timeout,
        .low_speed_limit = settings->low_speed_limit,
        .low_speed_window = timeout,
        .follow_redirects = settings->follow_redirects,
        .write = request->sink.write,
        .context = request->sink.context,
        .cancelled = &downloader->cancelled,
    };
    struct timespec begin;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    downloader->connections.operations->perform(connection, &wanted, &attempt->result);
    connections_give(&downloader->connections, connection);
    count(downloader, attempt, &begin);
    return attempt->result.outcome == TRANSFER_REFUSED && attempt->result.refusal < 0
               ? attempt->result.refusal
               : 0;
}

static bool is_success(const struct transfer_result *result)
{
    return result->outcome == TRANSFER_ANSWERED && result->status >= 200 && result->status <= 299;
}

/* Fills in what came of it. */
static void attempt_run(struct downloader *downloader, struct attempt *attempt)
{
    const struct download_sink *sink = &attempt->request->sink;
    attempt->result = (struct transfer_result){.outcome = TRANSFER_FAILED};
    attempt->error = (struct error)ERROR_INIT;
    int verdict = 0;
    int code = build_url(attempt->url, &attempt->leg, attempt->request->path);
    if (code == 0)
        code = sink->start(sink->context);
    if (code == 0)
        code = transfer(downloader, attempt);
    if (code == 0 && is_success(&attempt->result)) {
        verdict = sink->finish(sink->context);
        code = verdict < 0 ? verdict : 0;
    }
    attempt->code = code;
    if (code < 0)
        attempt->failure = DOWNLOAD_LOCAL_IO;
    else if (verdict > 0)
        attempt->failure = DOWNLOAD_CORRUPTED;
    else if (is_success(&attempt->result))
        attempt->failure = DOWNLOAD_OK;
    else
        attempt->failure = failover_classify(&attempt->result, attempt->leg.proxy_url != NULL);
}

/* What happened, in a few words. */
static void describe(const struct attempt *attempt, struct error *words)
{
    const struct transfer_result *result = &attempt->result;
    if (attempt->error.code != 0)
        *words = attempt->error;
    else if (attempt->code < 0)
        (void)error_set(words, attempt->code, "%s", strerror(-attempt->code));
    else if (attempt->failure == DOWNLOAD_CORRUPTED)
        (void)error_set(words, -EIO, "the content is not what was asked for");
    else if (result->words[0])
        (void)error_set(words, -EIO, "%s", result->words);
    else
        (void)error_set(words, -EIO, "status %d", result->status);
}

static void log_attempt(const struct attempt *attempt)
{
    struct error words = ERROR_INIT;
    describe(attempt, &words);
    log_debug("download", "%s via %s: %d - %s: %s", attempt->url->bytes,
              attempt->leg.proxy_url ? attempt->leg.proxy_url : PROXY_DIRECT, attempt->failure,
              download_failure_text(attempt->failure), words.message);
}

static int report(const struct attempt *attempt, struct error *error)
{
    const struct download_request *request = attempt->request;
    const char *proxy = attempt->leg.proxy_url;
    struct error words = ERROR_INIT;
    describe(attempt, &words);
    return error_set(error, attempt->code < 0 ? attempt->code : -EIO, "%s (%d - %s): %s%s%s: %s",
                     request->label ? request->label : request->path, attempt->failure,
                     download_failure_text(attempt->failure),
                     attempt->url->bytes ? attempt->url->bytes : request->path,
                     proxy ? " via " : "", proxy ? proxy : "", words.message);
}

/* False when the downloader was cancelled meanwhile. */
static bool pause_for(struct downloader *downloader, unsigned milliseconds)
{
    if (milliseconds == 0)
        return !atomic_load(&downloader->cancelled);
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= NANOSECONDS) {
        until.tv_nsec -= NANOSECONDS;
        until.tv_sec++;
    }
    int result = 0;
    (void)pthread_mutex_lock(&downloader->lock);
    while (!atomic_load(&downloader->cancelled) && result == 0)
        result = pthread_cond_clockwait(&downloader->changed, &downloader->lock, CLOCK_MONOTONIC,
                                        &until);
    (void)pthread_mutex_unlock(&downloader->lock);
    return !atomic_load(&downloader->cancelled);
}

/* Prepares the next attempt after a failed one; false when that was the last. */
static bool advance(struct downloader *downloader, struct failover *failover, size_t first,
                    struct attempt *attempt)
{
    const struct download_settings *settings = &downloader->settings;
    struct route *route = &downloader->route;
    const struct failover_limits limits = {
        .servers = route->servers.count,
        .proxies = route->proxies.count,
        .retries = settings->retries,
        .backoff_initial = settings->backoff_initial,
        .backoff_longest = settings->backoff_longest,
        .proxies_forever = settings->proxies_forever,
    };
    const char *reason = download_failure_text(attempt->failure);
    unsigned pause;
    failover->proxied = attempt->leg.proxy_url != NULL;
    enum failover_step step = failover_next(failover, &limits, attempt->failure,
                                            attempt->result.status, arc4random(), &pause);
    log_attempt(attempt);
    switch (step) {
    case FAILOVER_STOP:
        return false;
    case FAILOVER_RETRY:
        break;
    case FAILOVER_NEXT_PROXY:
        route_leave_proxy(route, &attempt->leg, reason);
        break;
    case FAILOVER_NEXT_SERVER:
        route_leave_server(route, &attempt->leg, reason);
        break;
    case FAILOVER_PROXIES_EXHAUSTED:
        route_leave_server(route, &attempt->leg, download_failure_text(DOWNLOAD_ALL_PROXIES));
        route_reset_proxies(route);
        break;
    case FAILOVER_PROXIES_AGAIN:
        route_reset_proxies(route);
        break;
    }
    attempt->no_cache = failover->no_cache;
    route_continue(route, first, failover->servers - 1, &attempt->leg);
    return pause_for(downloader, pause);
}

bool download_once(struct downloader *downloader, const struct download_request *request,
                   const struct leg *leg)
{
    auto_text struct text url = TEXT_INIT;
    struct attempt attempt = {.request = request, .url = &url, .leg = *leg};
    attempt_run(downloader, &attempt);
    if (attempt.failure == DOWNLOAD_OK)
        return true;
    log_attempt(&attempt);
    if (failover_blames_proxy(attempt.failure))
        route_leave_proxy(&downloader->route, leg, download_failure_text(attempt.failure));
    return false;
}

int download(struct downloader *downloader, const struct download_request *request,
             enum download_failure *failure, struct error *error)
{
    enum download_failure ignored;
    failure = failure ? failure : &ignored;
    *failure = DOWNLOAD_BAD_URL;
    downloader_prepare(downloader);
    if (downloader->route.servers.count == 0)
        return error_set(error, -EIO, "%s: no server is configured",
                         request->label ? request->label : request->path);
    auto_text struct text url = TEXT_INIT;
    struct attempt attempt = {.request = request, .url = &url};
    struct failover failover = FAILOVER_INIT;
    route_begin(&downloader->route, &attempt.leg);
    size_t first = attempt.leg.server;
    do
        attempt_run(downloader, &attempt);
    while (attempt.failure != DOWNLOAD_OK && advance(downloader, &failover, first, &attempt));
    *failure = attempt.failure;
    if (request->server)
        *request->server = attempt.leg.server;
    return attempt.failure == DOWNLOAD_OK ? 0 : report(&attempt, error);
}
