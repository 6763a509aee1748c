/* The decisions after a failure. Which server or proxy is the next one is decided in route.c. */
#include "payload/client/failover.h"

#define STATUS_BAD_REQUEST 400
#define STATUS_NOT_FOUND 404
#define STATUS_TOO_MANY_REQUESTS 429
#define STATUS_BAD_GATEWAY 502
#define STATUS_GATEWAY_TIMEOUT 504

/* Whether an answer is the server's. Others a proxy may have made up by itself. */
static bool is_of_server(int status)
{
    return status >= 500 || status == STATUS_BAD_REQUEST || status == STATUS_NOT_FOUND ||
           status == STATUS_TOO_MANY_REQUESTS || (status >= 301 && status <= 303) ||
           status == 307 || status == 308;
}

enum download_failure failover_classify(const struct transfer_result *result, bool proxied)
{
    switch (result->outcome) {
    case TRANSFER_ANSWERED:
        return proxied && !is_of_server(result->status) ? DOWNLOAD_PROXY_HTTP : DOWNLOAD_HOST_HTTP;
    case TRANSFER_BAD_URL:
        return DOWNLOAD_BAD_URL;
    case TRANSFER_BAD_PROTOCOL:
        return DOWNLOAD_PROTOCOL;
    case TRANSFER_PROXY_UNRESOLVED:
        return DOWNLOAD_PROXY_RESOLVE;
    case TRANSFER_HOST_UNRESOLVED:
        return DOWNLOAD_HOST_RESOLVE;
    case TRANSFER_NOT_CONNECTED:
        return proxied ? DOWNLOAD_PROXY_CONNECTION : DOWNLOAD_HOST_CONNECTION;
    case TRANSFER_SLOW:
        return proxied ? DOWNLOAD_PROXY_SLOW : DOWNLOAD_HOST_SLOW;
    case TRANSFER_SHORT:
        return proxied ? DOWNLOAD_PROXY_SHORT : DOWNLOAD_HOST_SHORT;
    case TRANSFER_REFUSED:
        return result->refusal < 0 ? DOWNLOAD_LOCAL_IO : DOWNLOAD_CORRUPTED;
    case TRANSFER_CANCELLED:
        return DOWNLOAD_CANCELLED;
    case TRANSFER_FAILED:
        break;
    }
    return DOWNLOAD_OTHER;
}

/* A uniformly random first pause, then each twice the one before. */
static unsigned next_pause(struct failover *failover, const struct failover_limits *limits,
                           unsigned random)
{
    if (!failover->has_paused)
        failover->backoff = random % (limits->backoff_initial + 1);
    else if (failover->backoff > limits->backoff_longest / 2)
        failover->backoff = limits->backoff_longest;
    else
        failover->backoff *= 2;
    if (failover->backoff > limits->backoff_longest)
        failover->backoff = limits->backoff_longest;
    failover->has_paused = true;
    return failover->backoff;
}

static enum failover_step next_server(struct failover *failover,
                                      const struct failover_limits *limits)
{
    if (failover->servers >= limits->servers)
        return FAILOVER_STOP;
    failover->servers++;
    return FAILOVER_NEXT_SERVER;
}

static enum failover_step next_proxy(struct failover *failover,
                                     const struct failover_limits *limits, unsigned random,
                                     unsigned *pause)
{
    if (failover->proxies < limits->proxies) {
        failover->proxies++;
        return FAILOVER_NEXT_PROXY;
    }
    if (next_server(failover, limits) != FAILOVER_STOP) {
        failover->proxies = 1;
        return FAILOVER_PROXIES_EXHAUSTED;
    }
    if (!limits->proxies_forever)
        return FAILOVER_STOP;
    failover->proxies = 1;
    *pause = next_pause(failover, limits, random);
    return FAILOVER_PROXIES_AGAIN;
}

/* Who is left for another when it fails, and whether it may go well when it is simply tried again.
 */
enum blame { BLAME_NOBODY, BLAME_COPY, BLAME_PROXY, BLAME_SERVER };

static const struct reaction {
    enum blame blame;
    bool passing;
} reactions[] = {
    [DOWNLOAD_OK] = {BLAME_NOBODY, false},
    [DOWNLOAD_LOCAL_IO] = {BLAME_NOBODY, false},
    [DOWNLOAD_BAD_URL] = {BLAME_SERVER, false},
    [DOWNLOAD_PROXY_RESOLVE] = {BLAME_PROXY, false},
    [DOWNLOAD_HOST_RESOLVE] = {BLAME_SERVER, false},
    [DOWNLOAD_ALL_PROXIES] = {BLAME_SERVER, false},
    [DOWNLOAD_PROXY_CONNECTION] = {BLAME_PROXY, true},
    [DOWNLOAD_HOST_CONNECTION] = {BLAME_SERVER, true},
    [DOWNLOAD_PROXY_HTTP] = {BLAME_PROXY, false},
    [DOWNLOAD_HOST_HTTP] = {BLAME_SERVER, false},
    [DOWNLOAD_CORRUPTED] = {BLAME_COPY, false},
    [DOWNLOAD_TOO_BIG] = {BLAME_NOBODY, false},
    [DOWNLOAD_OTHER] = {BLAME_SERVER, false},
    [DOWNLOAD_PROTOCOL] = {BLAME_SERVER, false},
    [DOWNLOAD_PROXY_SLOW] = {BLAME_PROXY, true},
    [DOWNLOAD_HOST_SLOW] = {BLAME_SERVER, true},
    [DOWNLOAD_PROXY_SHORT] = {BLAME_PROXY, true},
    [DOWNLOAD_HOST_SHORT] = {BLAME_SERVER, true},
    [DOWNLOAD_CANCELLED] = {BLAME_NOBODY, false},
};

bool failover_blames_proxy(enum download_failure failure)
{
    return reactions[failure].blame == BLAME_PROXY;
}

/* What a proxy says of a server that it cannot reach. It may be that another proxy can. */
static bool is_of_gateway(const struct failover *failover, enum download_failure failure,
                          int status)
{
    return failover->proxied && failure == DOWNLOAD_HOST_HTTP && status >= STATUS_BAD_GATEWAY &&
           status <= STATUS_GATEWAY_TIMEOUT;
}

/* Something that is no answer came from whoever we are connected to. */
static enum blame find_blame(const struct failover *failover, enum download_failure failure)
{
    bool strange = failure == DOWNLOAD_OTHER || failure == DOWNLOAD_PROTOCOL;
    return strange && failover->proxied ? BLAME_PROXY : reactions[failure].blame;
}

/* When no server is left, all of them again through another proxy. */
static enum failover_step next_server_or_proxy(struct failover *failover,
                                               const struct failover_limits *limits,
                                               enum download_failure failure, int status)
{
    enum failover_step step = next_server(failover, limits);
    if (step != FAILOVER_STOP || !is_of_gateway(failover, failure, status) ||
        failover->proxies >= limits->proxies)
        return step;
    failover->proxies++;
    failover->servers = 1;
    return FAILOVER_NEXT_PROXY;
}

enum failover_step failover_next(struct failover *failover, const struct failover_limits *limits,
                                 enum download_failure failure, int status, unsigned random,
                                 unsigned *pause)
{
    bool passing = reactions[failure].passing ||
                   (failure == DOWNLOAD_HOST_HTTP && status == STATUS_TOO_MANY_REQUESTS);
    *pause = 0;
    if (passing && failover->retries < limits->retries) {
        failover->retries++;
        *pause = next_pause(failover, limits, random);
        return FAILOVER_RETRY;
    }
    switch (find_blame(failover, failure)) {
    case BLAME_COPY:
        failover->no_cache = !failover->no_cache;
        return failover->no_cache ? FAILOVER_RETRY : next_server(failover, limits);
    case BLAME_PROXY:
        return next_proxy(failover, limits, random, pause);
    case BLAME_SERVER:
        return next_server_or_proxy(failover, limits, failure, status);
    case BLAME_NOBODY:
        break;
    }
    return FAILOVER_STOP;
}
