/* payload/client/download: one request over servers and proxies, with a transfer library in memory.
 */
#include <errno.h>

#include "payload/client/download.h"
#include "tests/unit/fake_transfer.h"
#include "tests/unit/tap.h"

#define GOOD "good bytes"

/* A sink that wants GOOD. */
struct taste {
    struct text body;
    int starts;
    int no_room; /* what write says */
};

static int taste_start(void *context)
{
    struct taste *taste = context;
    taste->starts++;
    taste->body.length = 0;
    return 0;
}

static int taste_write(void *context, const void *bytes, size_t length)
{
    struct taste *taste = context;
    if (taste->no_room)
        return taste->no_room;
    return text_append(&taste->body, bytes, length);
}

static int taste_finish(void *context)
{
    const struct taste *taste = context;
    return taste->body.length == strlen(GOOD) && memcmp(taste->body.bytes, GOOD, strlen(GOOD)) == 0
               ? 0
               : 1;
}

/* What a test sees of one download. */
struct outcome {
    int result;
    enum download_failure failure;
    struct error error;
    int starts;
};

static struct downloader *make(const char *servers, const char *proxies)
{
    auto_parameters struct parameters parameters = PARAMETERS_INIT;
    struct downloader *downloader = NULL;
    int result = parameters_set(&parameters, "CVMFS_SERVER_URL", servers, NULL);
    result = result ? result : parameters_set(&parameters, "CVMFS_HTTP_PROXY", proxies, NULL);
    result = result ? result : parameters_set(&parameters, "CVMFS_BACKOFF_INIT", "0", NULL);
    result = result ? result : parameters_set(&parameters, "CVMFS_SEND_INFO_HEADER", "yes", NULL);
    if (result == 0)
        result = downloader_create(&parameters, DOWNLOADER_REGULAR, &downloader, NULL);
    return result == 0 ? downloader : NULL;
}

static struct outcome get_with(struct downloader *downloader, struct download_request request,
                               int no_room)
{
    struct taste taste = {.no_room = no_room};
    struct outcome outcome = {.error = ERROR_INIT};
    request.sink = (struct download_sink){taste_start, taste_write, taste_finish, &taste};
    outcome.result = download(downloader, &request, &outcome.failure, &outcome.error);
    outcome.starts = taste.starts;
    text_free(&taste.body);
    return outcome;
}

static struct outcome get(struct downloader *downloader)
{
    return get_with(downloader, (struct download_request){.path = "/x", .label = "the object"}, 0);
}

static const struct fake_answer good = {
    .outcome = TRANSFER_ANSWERED, .status = 200, .body = GOOD, .length = sizeof GOOD - 1};

static struct fake_answer from(const char *part, const char *proxy, struct fake_answer answer)
{
    answer.part = part;
    answer.proxy = proxy;
    return answer;
}

static struct fake_answer status(int code)
{
    return (struct fake_answer){.outcome = TRANSFER_ANSWERED, .status = code};
}

static struct fake_answer once(struct fake_answer answer)
{
    answer.times = 1;
    return answer;
}

static bool asked(const char *expected)
{
    return strcmp(fake.requests.bytes ? fake.requests.bytes : "", expected) == 0;
}

static void a_good_answer_is_all_it_needs(void)
{
    fake_reset();
    fake_add(good);
    struct downloader *downloader = make("http://a/", "DIRECT");
    struct outcome outcome = get(downloader);
    CHECK(outcome.result == 0 && outcome.failure == DOWNLOAD_OK && outcome.starts == 1,
          "the download succeeds at once");
    CHECK(asked("http://a/x\n"), "one URL, without a doubled slash");
    struct downloader_counters counters;
    downloader_counters(downloader, &counters);
    CHECK(counters.requests == 1 && counters.received_bytes == strlen(GOOD), "it is counted");
    downloader_destroy(downloader);
    CHECK(fake.open == 0 && fake.opened == 1, "its connection is closed in the end");
}

static void urls_are_escaped_and_headers_sent(void)
{
    fake_reset();
    fake_add(good);
    struct downloader *downloader = make("http://a/b c", "DIRECT");
    (void)get_with(
        downloader,
        (struct download_request){.path = "/d%e", .info = "/bin/l s", .offset = 10, .length = 5},
        0);
    CHECK(asked("http://a/b%20c/d%25e 10+5, cvmfs-info: /bin/l%20s\n"),
          "the whole URL is escaped, and so is the label in its header");
    downloader_destroy(downloader);
}

static void the_next_server_stays_current(void)
{
    fake_reset();
    fake_add(from("//a", NULL, status(404)));
    fake_add(from("//b", NULL, good));
    struct downloader *downloader = make("http://a;http://b", "DIRECT");
    CHECK(get(downloader).result == 0 && get(downloader).result == 0 &&
              asked("http://a/x\nhttp://b/x\nhttp://b/x\n"),
          "a server that has not what is wanted is left for all requests that follow");
    auto_text struct text host = TEXT_INIT;
    auto_text struct text list = TEXT_INIT;
    (void)downloader_host(downloader, &host);
    (void)downloader_host_list(downloader, &list);
    CHECK(strcmp(host.bytes, "http://b") == 0 && strcmp(list.bytes, "http://b;http://a") == 0,
          "and that can be seen");
    downloader_destroy(downloader);
}

static void each_server_is_tried_once(void)
{
    fake_reset();
    fake_add(status(500));
    struct downloader *downloader = make("http://a;http://b;http://c", "DIRECT");
    struct outcome outcome = get(downloader);
    CHECK(outcome.result == -EIO && outcome.failure == DOWNLOAD_HOST_HTTP &&
              asked("http://a/x\nhttp://b/x\nhttp://c/x\n"),
          "when no server has it, each has been asked");
    CHECK(strcmp(outcome.error.message,
                 "the object (9 - host returned HTTP error): http://c/x: status 500") == 0,
          "the words name what, which class, where and why");
    downloader_destroy(downloader);
}

static void bad_bytes_are_asked_for_afresh(void)
{
    fake_reset();
    struct fake_answer bad = good;
    bad.body = "evil bytes";
    fake_add(from("//a", NULL, bad));
    fake_add(good);
    struct downloader *downloader = make("http://a;http://b", "DIRECT");
    struct outcome outcome = get(downloader);
    CHECK(outcome.result == 0 && outcome.starts == 3 &&
              asked("http://a/x\n"
                    "http://a/x, Pragma: no-cache, Cache-Control: no-cache\n"
                    "http://b/x\n"),
          "once more past the caches, then from the next server");
    downloader_destroy(downloader);
}

static void a_dropped_connection_is_tried_again(void)
{
    fake_reset();
    fake_add(once((struct fake_answer){.outcome = TRANSFER_SHORT}));
    fake_add(good);
    struct downloader *downloader = make("http://a;http://b", "DIRECT");
    CHECK(get(downloader).result == 0 && asked("http://a/x\nhttp://a/x\n"),
          "the same URL once more");
    downloader_destroy(downloader);
}

static void local_trouble_ends_it(void)
{
    fake_reset();
    fake_add(good);
    struct downloader *downloader = make("http://a;http://b", "DIRECT");
    struct outcome outcome = get_with(downloader, (struct download_request){.path = "/x"}, -ENOSPC);
    CHECK(outcome.result == -ENOSPC && outcome.failure == DOWNLOAD_LOCAL_IO &&
              asked("http://a/x\n"),
          "a full disk is not a server's fault");
    CHECK(get(downloader).result == 0, "and no server is left for it");
    downloader_destroy(downloader);
}

static void proxies_are_left_before_servers(void)
{
    fake_reset();
    fake_add(from("//b", "http://q:2", good));
    struct downloader *downloader = make("http://a;http://b", "http://p:1;http://q:2");
    CHECK(get(downloader).result == 0 && asked("http://a/x via http://p:1\n"
                                               "http://a/x via http://p:1\n"
                                               "http://a/x via http://q:2\n"
                                               "http://b/x via http://p:1\n"
                                               "http://b/x via http://q:2\n"),
          "all proxies for the first server, then again from the first for the second");
    auto_text struct text proxy = TEXT_INIT;
    auto_text struct text list = TEXT_INIT;
    (void)downloader_proxy(downloader, &proxy);
    (void)downloader_proxy_list(downloader, &list);
    CHECK(strcmp(proxy.bytes, "http://q:2") == 0 &&
              strcmp(list.bytes, "http://p:1\nhttp://q:2\n") == 0,
          "the proxy that works is current");
    downloader_destroy(downloader);
}

static void a_missing_object_is_the_servers_fault(void)
{
    fake_reset();
    fake_add(from("//a", NULL, status(404)));
    fake_add(good);
    struct downloader *downloader = make("http://a;http://b", "http://p:1;http://q:2");
    CHECK(get(downloader).result == 0 &&
              asked("http://a/x via http://p:1\nhttp://b/x via http://p:1\n"),
          "the proxy stays where the server goes");
    downloader_destroy(downloader);
}

static void a_skipped_server_is_behind_us(void)
{
    fake_reset();
    fake_add(good);
    struct downloader *downloader = make("http://a;http://b", "DIRECT");
    size_t server = 99;
    (void)get_with(downloader, (struct download_request){.path = "/x", .server = &server}, 0);
    CHECK(server == 0 && downloader_server_count(downloader) == 2,
          "it is told which server an answer came from");
    downloader_skip_server(downloader, server, "no good");
    (void)get(downloader);
    CHECK(asked("http://a/x\nhttp://b/x\n"), "and that one can be passed over");
    downloader_destroy(downloader);
}

static void nothing_is_asked_without_servers(void)
{
    fake_reset();
    struct downloader *downloader = make("", "DIRECT");
    struct outcome outcome = get(downloader);
    CHECK(outcome.result == -EIO && outcome.failure == DOWNLOAD_BAD_URL && asked(""),
          "without a server there is an error");
    downloader_destroy(downloader);
    CHECK(make("http://a", "") == NULL, "without a proxy there is not even a downloader");
}

static void a_cancelled_downloader_gives_up(void)
{
    fake_reset();
    struct downloader *downloader = make("http://a;http://b", "DIRECT");
    downloader_cancel(downloader);
    CHECK(get(downloader).result == -EIO && asked("http://a/x\n"), "after the attempt under way");
    downloader_destroy(downloader);
}

/* Three servers for which the Geo-API knows another order. */
static struct downloader *make_geographic(const char *limit, const char *fallback)
{
    auto_parameters struct parameters parameters = PARAMETERS_INIT;
    struct downloader *downloader = NULL;
    (void)parameters_set(&parameters, "CVMFS_SERVER_URL", "http://c/r;http://a/r;http://b/r", NULL);
    (void)parameters_set(&parameters, "CVMFS_HTTP_PROXY", "DIRECT", NULL);
    (void)parameters_set(&parameters, "CVMFS_USE_GEOAPI", "yes", NULL);
    (void)parameters_set(&parameters, "CVMFS_PROXY_TEMPLATE", "site", NULL);
    (void)parameters_set(&parameters, "CVMFS_MAX_SERVERS", limit, NULL);
    (void)parameters_set(&parameters, "CVMFS_FALLBACK_PROXY", fallback, NULL);
    int result = downloader_create(&parameters, DOWNLOADER_REGULAR, &downloader, NULL);
    return result == 0 ? downloader : NULL;
}

static struct fake_answer geo(const char *order)
{
    return (struct fake_answer){.part = "/api/v1.0/geo/",
                                .outcome = TRANSFER_ANSWERED,
                                .status = 200,
                                .body = order,
                                .length = strlen(order)};
}

static void servers_are_put_in_geographic_order(void)
{
    fake_reset();
    fake_add(geo("2,3,1\n"));
    fake_add(good);
    struct downloader *downloader = make_geographic("2", "");
    auto_text struct text list = TEXT_INIT;
    CHECK(get(downloader).result == 0 && strstr(fake.requests.bytes, "http://b/r/x\n"),
          "the nearest one is asked");
    CHECK(strstr(fake.requests.bytes, "/r/api/v1.0/geo/site/a,b,c\n"),
          "one of them was asked for the order of their names");
    (void)downloader_host_list(downloader, &list);
    CHECK(strcmp(list.bytes, "http://b/r;http://c/r") == 0, "no more than configured are kept");
    downloader_destroy(downloader);
}

static void fallback_proxies_are_put_in_geographic_order(void)
{
    fake_reset();
    fake_add(geo("6,4,3,5,2,1\n"));
    fake_add(good);
    struct downloader *downloader = make_geographic("0", "http://127.0.0.1:1;http://127.0.0.2:1");
    auto_text struct text list = TEXT_INIT;
    CHECK(get(downloader).result == 0 &&
              strstr(fake.requests.bytes, "http://c/r/x via http://127.0.0.2:1\n"),
          "the nearest proxy is used");
    CHECK(strstr(fake.requests.bytes, "/geo/site/a,b,c,+PXYSEP+,127.0.0.1,127.0.0.2 via "),
          "without regular proxies a separator stands before them");
    (void)downloader_proxy_list(downloader, &list);
    CHECK(strcmp(list.bytes, "http://127.0.0.2:1\nhttp://127.0.0.1:1\n") == 0,
          "and the groups have changed places");
    downloader_destroy(downloader);
}

static void without_an_order_servers_stay_as_they_are(void)
{
    fake_reset();
    fake_add(geo("1,1,1"));
    fake_add(good);
    struct downloader *downloader = make_geographic("0", "");
    CHECK(get(downloader).result == 0 && strstr(fake.requests.bytes, "http://c/r/x\n"),
          "the first configured one is asked");
    size_t count = 0;
    for (const char *at = fake.requests.bytes; (at = strstr(at, "/geo/")); at++)
        count++;
    CHECK(count == 3, "after three servers have given bad answers");
    downloader_destroy(downloader);
}

static struct downloader *shared;

static void *get_many(void *context)
{
    int *bad = context;
    for (int round = 0; round < 200; round++)
        *bad += get(shared).result != 0;
    return NULL;
}

/* Each server lacks one half of what is wanted: threads that switch the server for each other must
 * not make anybody miss it. */
static void threads_do_not_lead_each_other_astray(void)
{
    fake_reset();
    fake_add(from("//a", NULL, status(404)));
    fake_add(from("//b", NULL, good));
    shared = make("http://a;http://b", "DIRECT");
    pthread_t threads[24];
    int bad[24] = {0};
    size_t started = 0;
    while (started < 24 && pthread_create(&threads[started], NULL, get_many, &bad[started]) == 0)
        started++;
    int failures = 0;
    for (size_t index = 0; index < started; index++) {
        (void)pthread_join(threads[index], NULL);
        failures += bad[index];
    }
    CHECK(started > 1 && failures == 0, "%zu threads get all that they want", started);
    CHECK(fake.opened <= 16, "over at most 16 connections");
    downloader_destroy(shared);
    CHECK(fake.open == 0, "all of which are closed in the end");
}

int main(void)
{
    a_good_answer_is_all_it_needs();
    urls_are_escaped_and_headers_sent();
    the_next_server_stays_current();
    each_server_is_tried_once();
    bad_bytes_are_asked_for_afresh();
    a_dropped_connection_is_tried_again();
    local_trouble_ends_it();
    proxies_are_left_before_servers();
    a_missing_object_is_the_servers_fault();
    a_skipped_server_is_behind_us();
    nothing_is_asked_without_servers();
    a_cancelled_downloader_gives_up();
    servers_are_put_in_geographic_order();
    fallback_proxies_are_put_in_geographic_order();
    without_an_order_servers_stay_as_they_are();
    threads_do_not_lead_each_other_astray();
    text_free(&fake.requests);
    return tap_done();
}
