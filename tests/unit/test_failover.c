/* payload/client/failover, servers, throttle: the decisions of cvmfs-format.md 9.2 and 9.4. */
#include "payload/client/failover.h"
#include "payload/client/servers.h"
#include "payload/client/throttle.h"
#include "tests/unit/tap.h"

static const struct failover_limits limits = {
    .servers = 2, .proxies = 2, .retries = 1, .backoff_initial = 2000, .backoff_longest = 10000};

/* The steps of a request that fails in one way until it stops, as letters. */
static const char *steps_through(const struct failover_limits *given, bool proxied,
                                 enum download_failure failure, int status)
{
    static char steps[32];
    static const char letters[] = {[FAILOVER_STOP] = '.',
                                   [FAILOVER_RETRY] = 'r',
                                   [FAILOVER_NEXT_PROXY] = 'p',
                                   [FAILOVER_NEXT_SERVER] = 's',
                                   [FAILOVER_PROXIES_EXHAUSTED] = 'S',
                                   [FAILOVER_PROXIES_AGAIN] = 'P'};
    struct failover failover = FAILOVER_INIT;
    failover.proxied = proxied;
    size_t count = 0;
    enum failover_step step;
    do {
        unsigned pause;
        step = failover_next(&failover, given, failure, status, 0, &pause);
        steps[count++] = letters[step];
    } while (step != FAILOVER_STOP && count < sizeof steps - 1);
    steps[count] = '\0';
    return steps;
}

static const char *steps_of(const struct failover_limits *given, enum download_failure failure,
                            int status)
{
    return steps_through(given, false, failure, status);
}

static void fails_like(enum download_failure failure, int status, const char *expected)
{
    const char *steps = steps_of(&limits, failure, status);
    CHECK(strcmp(steps, expected) == 0, "%s (%d) goes %s", download_failure_text(failure), status,
          expected);
}

static void each_failure_has_its_steps(void)
{
    fails_like(DOWNLOAD_HOST_HTTP, 404, "s.");
    fails_like(DOWNLOAD_HOST_HTTP, 500, "s.");
    fails_like(DOWNLOAD_HOST_HTTP, 429, "rs.");
    fails_like(DOWNLOAD_PROXY_HTTP, 403, "pSp.");
    fails_like(DOWNLOAD_HOST_CONNECTION, 0, "rs.");
    fails_like(DOWNLOAD_HOST_SLOW, 0, "rs.");
    fails_like(DOWNLOAD_HOST_SHORT, 0, "rs.");
    fails_like(DOWNLOAD_PROXY_CONNECTION, 0, "rpSp.");
    fails_like(DOWNLOAD_PROXY_SLOW, 0, "rpSp.");
    fails_like(DOWNLOAD_PROXY_SHORT, 0, "rpSp.");
    fails_like(DOWNLOAD_HOST_RESOLVE, 0, "s.");
    fails_like(DOWNLOAD_PROXY_RESOLVE, 0, "pSp.");
    fails_like(DOWNLOAD_CORRUPTED, 200, "rsr.");
    fails_like(DOWNLOAD_BAD_URL, 0, "s.");
    fails_like(DOWNLOAD_OTHER, 0, "s.");
    fails_like(DOWNLOAD_LOCAL_IO, 0, ".");
    fails_like(DOWNLOAD_CANCELLED, 0, ".");
}

static void what_a_proxy_makes_up_is_held_against_it(void)
{
    CHECK(strcmp(steps_through(&limits, true, DOWNLOAD_PROTOCOL, 0), "pSp.") == 0,
          "what is no HTTP is the proxy's fault");
    CHECK(strcmp(steps_through(&limits, true, DOWNLOAD_HOST_HTTP, 503), "sps.") == 0,
          "a gateway error of all servers leads to all of them through the next proxy");
    CHECK(strcmp(steps_through(&limits, true, DOWNLOAD_HOST_HTTP, 500), "s.") == 0 &&
              strcmp(steps_through(&limits, true, DOWNLOAD_HOST_HTTP, 404), "s.") == 0,
          "other errors of servers leave the proxy alone");
    CHECK(strcmp(steps_through(&limits, false, DOWNLOAD_HOST_HTTP, 503), "s.") == 0,
          "as do all without a proxy");
}

static void proxies_may_be_tried_for_ever(void)
{
    struct failover_limits forever = limits;
    forever.proxies_forever = true;
    forever.retries = 0;
    CHECK(strncmp(steps_of(&forever, DOWNLOAD_PROXY_CONNECTION, 0), "pSpPpPpPpP", 10) == 0,
          "with CVMFS_FAILOVER_INDEFINITELY it begins again with the first group");
}

static void a_corrupt_copy_is_asked_for_afresh_on_each_server(void)
{
    struct failover failover = FAILOVER_INIT;
    unsigned pause;
    (void)failover_next(&failover, &limits, DOWNLOAD_CORRUPTED, 200, 0, &pause);
    CHECK(failover.no_cache && pause == 0, "caches on the way are told to get a fresh one");
    (void)failover_next(&failover, &limits, DOWNLOAD_CORRUPTED, 200, 0, &pause);
    CHECK(!failover.no_cache, "but not for the next server");
}

static void pauses_double(void)
{
    struct failover_limits patient = limits;
    patient.retries = 5;
    struct failover failover = FAILOVER_INIT;
    unsigned pauses[5];
    for (size_t i = 0; i < 5; i++)
        (void)failover_next(&failover, &patient, DOWNLOAD_HOST_SLOW, 0, 2001 + 1500, &pauses[i]);
    CHECK(pauses[0] == 1500 && pauses[1] == 3000 && pauses[2] == 6000 && pauses[3] == 10000 &&
              pauses[4] == 10000,
          "from a random first one up to the longest");
    failover = (struct failover)FAILOVER_INIT;
    (void)failover_next(&failover, &limits, DOWNLOAD_HOST_SLOW, 0, 2000, &pauses[0]);
    CHECK(pauses[0] == 2000, "the first one may be as long as configured");
}

static void is_classified(enum transfer_outcome outcome, int status, enum download_failure direct,
                          enum download_failure proxied)
{
    const struct transfer_result result = {.outcome = outcome, .status = status};
    CHECK(failover_classify(&result, false) == direct &&
              failover_classify(&result, true) == proxied,
          "outcome %d with status %d is %d, and %d through a proxy", outcome, status, direct,
          proxied);
}

static void transfers_are_classified(void)
{
    is_classified(TRANSFER_ANSWERED, 404, DOWNLOAD_HOST_HTTP, DOWNLOAD_HOST_HTTP);
    is_classified(TRANSFER_ANSWERED, 400, DOWNLOAD_HOST_HTTP, DOWNLOAD_HOST_HTTP);
    is_classified(TRANSFER_ANSWERED, 429, DOWNLOAD_HOST_HTTP, DOWNLOAD_HOST_HTTP);
    is_classified(TRANSFER_ANSWERED, 503, DOWNLOAD_HOST_HTTP, DOWNLOAD_HOST_HTTP);
    is_classified(TRANSFER_ANSWERED, 302, DOWNLOAD_HOST_HTTP, DOWNLOAD_HOST_HTTP);
    is_classified(TRANSFER_ANSWERED, 403, DOWNLOAD_HOST_HTTP, DOWNLOAD_PROXY_HTTP);
    is_classified(TRANSFER_ANSWERED, 304, DOWNLOAD_HOST_HTTP, DOWNLOAD_PROXY_HTTP);
    is_classified(TRANSFER_NOT_CONNECTED, 0, DOWNLOAD_HOST_CONNECTION, DOWNLOAD_PROXY_CONNECTION);
    is_classified(TRANSFER_SLOW, 200, DOWNLOAD_HOST_SLOW, DOWNLOAD_PROXY_SLOW);
    is_classified(TRANSFER_SHORT, 200, DOWNLOAD_HOST_SHORT, DOWNLOAD_PROXY_SHORT);
    is_classified(TRANSFER_BAD_URL, 0, DOWNLOAD_BAD_URL, DOWNLOAD_BAD_URL);
    is_classified(TRANSFER_CANCELLED, 0, DOWNLOAD_CANCELLED, DOWNLOAD_CANCELLED);
    is_classified(TRANSFER_FAILED, 0, DOWNLOAD_OTHER, DOWNLOAD_OTHER);
    struct transfer_result refused = {.outcome = TRANSFER_REFUSED, .status = 200, .refusal = -28};
    CHECK(failover_classify(&refused, false) == DOWNLOAD_LOCAL_IO,
          "a sink that has no room is local trouble");
    refused.refusal = 1;
    CHECK(failover_classify(&refused, false) == DOWNLOAD_CORRUPTED,
          "a sink that wants no more has seen bad bytes");
}

static void servers_stay_until_they_fail(void)
{
    struct servers servers;
    (void)servers_parse("http://a;http://b ; http://c", 1800, &servers);
    CHECK(servers.count == 3 && strcmp(servers.urls[1], "http://b") == 0, "three servers");
    CHECK(servers_leave(&servers, 0, 10) && servers.current == 1, "the next one follows");
    CHECK(!servers_leave(&servers, 0, 11) && servers.current == 1,
          "who is late with the same news changes nothing");
    servers_tick(&servers, 1809);
    CHECK(servers.current == 1, "it stays for the configured time");
    servers_tick(&servers, 1810);
    CHECK(servers.current == 0, "and then the first one is tried again");
    (void)servers_leave(&servers, 0, 5000);
    (void)servers_leave(&servers, 1, 5000);
    CHECK(servers_leave(&servers, 2, 5000) && servers.current == 0, "after the last the first");
    servers.current = 1;
    servers_skip(&servers, 0, 5000);
    CHECK(servers.current == 1, "one that is passed over leads to the one behind it");
    servers_skip(&servers, 1, 5000);
    CHECK(servers.current == 2, "whichever was current");
    servers_free(&servers);
}

static void servers_can_be_ordered_and_cut(void)
{
    struct servers servers;
    (void)servers_parse("http://a;http://b;http://c", 0, &servers);
    const size_t order[] = {2, 0, 1};
    servers.current = 2;
    CHECK(servers_order(&servers, order) == 0 && servers.current == 0 &&
              strcmp(servers.urls[0], "http://c") == 0 && strcmp(servers.urls[1], "http://a") == 0,
          "the nearest first");
    servers.current = 2;
    servers_cut(&servers, 2);
    CHECK(servers.count == 2 && servers.current == 0 && !servers.urls[2], "and two of three");
    servers_cut(&servers, 0);
    CHECK(servers.count == 2, "no limit leaves all");
    servers_free(&servers);
}

static void failures_are_throttled(void)
{
    struct throttle throttle = {0};
    CHECK(throttle_failure(&throttle, 1000) == 32, "32 ms after the first failure");
    CHECK(throttle_failure(&throttle, 2000) == 64 && throttle_failure(&throttle, 3000) == 128,
          "twice as long each time");
    for (int i = 0; i < 10; i++)
        (void)throttle_failure(&throttle, 3000);
    CHECK(throttle_failure(&throttle, 3000) == 2000, "at most 2 s");
    CHECK(throttle_failure(&throttle, 13001) == 32, "forgotten after 10 s");
}

int main(void)
{
    each_failure_has_its_steps();
    what_a_proxy_makes_up_is_held_against_it();
    proxies_may_be_tried_for_ever();
    a_corrupt_copy_is_asked_for_afresh_on_each_server();
    pauses_double();
    transfers_are_classified();
    servers_stay_until_they_fail();
    servers_can_be_ordered_and_cut();
    failures_are_throttled();
    return tap_done();
}
