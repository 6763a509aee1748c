/* libcvmfsexec-transfer.so: what libcurl makes of answers of every kind, and that connections stay.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/client/transfer.h"
#include "tests/unit/http_server.h"
#include "tests/unit/tap.h"

/* A name that no resolver is asked for: a label may have 63 bytes. */
#define UNKNOWN "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.invalid"

static struct http_server server;
static const struct transfer_operations *operations;
static struct transfer_connection *connection;

/* The library lies in the directory above that of the test; once loaded it is found by its name. */
static bool library_find(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof TRANSFER_LIBRARY - 4);
    if (length < 0)
        return false;
    path[length] = '\0';
    char *name = strrchr(path, '/');
    if (!name)
        return false;
    (void)strcpy(name, "/../" TRANSFER_LIBRARY);
    return dlopen(path, RTLD_NOW | RTLD_LOCAL) != NULL;
}

/* What a writer has been given; it refuses from `limit` bytes on, when that is not 0. */
struct body {
    struct text bytes;
    size_t limit;
};

static int take(void *context, const void *bytes, size_t length)
{
    struct body *body = context;
    if (body->limit && body->bytes.length + length > body->limit)
        return -ENOSPC;
    return text_append(&body->bytes, bytes, length);
}

/* One transfer of a path of the server, with the other fields of `request` as they are. */
static struct transfer_result perform(const char *path, struct transfer_request request,
                                      struct body *body)
{
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server.port, path);
    struct body ignored = {.limit = 0};
    request.url = request.url ? request.url : url;
    request.connect_timeout = 10;
    request.write = take;
    request.context = body ? body : &ignored;
    struct transfer_result result;
    operations->perform(connection, &request, &result);
    text_free(&ignored.bytes);
    return result;
}

static struct transfer_result get(const char *path, struct body *body)
{
    return perform(path, (struct transfer_request){.url = NULL}, body);
}

static void a_body_comes_whole(void)
{
    struct body body = {.limit = 0};
    struct transfer_result result = get("/body/300000", &body);
    CHECK(result.outcome == TRANSFER_ANSWERED && result.status == 200 &&
              result.received == 300000 && body.bytes.length == 300000,
          "a body of some buffers");
    text_free(&body.bytes);
    result = get("/body/0", &body);
    CHECK(result.outcome == TRANSFER_ANSWERED && result.status == 200 && result.received == 0,
          "an empty body");
}

static void one_socket_serves_many_transfers(void)
{
    int before = atomic_load(&server.count);
    for (int round = 0; round < 10; round++)
        (void)get(round % 2 ? "/body/100" : "/status/404", NULL);
    CHECK(atomic_load(&server.count) - before <= 1, "answers of errors do not end it");
}

static void error_pages_are_no_body(void)
{
    struct body body = {.limit = 0};
    struct transfer_result result = get("/status/404", &body);
    CHECK(result.outcome == TRANSFER_ANSWERED && result.status == 404 && body.bytes.length == 0,
          "a page that comes with 404 is thrown away");
    result = get("/endless/503", &body);
    CHECK(result.outcome == TRANSFER_ANSWERED && result.status == 503 && body.bytes.length == 0,
          "one that never ends is not read to its end");
}

static void the_head_is_what_servers_expect(void)
{
    struct body body = {.limit = 0};
    const char *const headers[] = {"Pragma: no-cache", NULL};
    (void)perform("/head", (struct transfer_request){.headers = headers, .offset = 5, .length = 10},
                  &body);
    CHECK(strstr(body.bytes.bytes, "GET /head HTTP/1.1\r\n") == body.bytes.bytes &&
              strstr(body.bytes.bytes, "User-Agent: agent\r\n") &&
              strstr(body.bytes.bytes, "Accept: */*\r\n") &&
              strstr(body.bytes.bytes, "Connection: Keep-Alive\r\n") &&
              strstr(body.bytes.bytes, "Range: bytes=5-14\r\n") &&
              strstr(body.bytes.bytes, "Pragma: no-cache\r\n"),
          "the lines of every request and those of this one");
    text_free(&body.bytes);
    (void)get("/head", &body);
    CHECK(!strstr(body.bytes.bytes, "Range:") && !strstr(body.bytes.bytes, "Pragma:") &&
              strstr(body.bytes.bytes, "Connection: Keep-Alive\r\n"),
          "which the next one has not");
    text_free(&body.bytes);
}

static void a_proxy_gets_the_whole_url(void)
{
    char proxy[64];
    struct body body = {.limit = 0};
    (void)snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", server.port);
    struct transfer_result result = perform(
        "", (struct transfer_request){.url = "http://" UNKNOWN "/x", .proxy = proxy}, &body);
    CHECK(result.outcome == TRANSFER_SHORT, "the server, as a proxy, does not know the URL");
    result = perform("", (struct transfer_request){.url = "http://" UNKNOWN "/x"}, &body);
    CHECK(result.outcome == TRANSFER_HOST_UNRESOLVED, "without a proxy the name is looked up");
    result = perform("/body/1", (struct transfer_request){.proxy = "http://" UNKNOWN ":1"}, &body);
    CHECK(result.outcome == TRANSFER_PROXY_UNRESOLVED, "the name of a proxy too");
    text_free(&body.bytes);
}

static void each_kind_of_failure_is_told_apart(void)
{
    CHECK(get("/short/10", NULL).outcome == TRANSFER_SHORT, "a body that is cut off");
    CHECK(get("/short/0", NULL).outcome == TRANSFER_SHORT, "one that does not even begin");
    CHECK(get("/hangup", NULL).outcome == TRANSFER_SHORT, "no answer at all");
    CHECK(get("/strange", NULL).outcome == TRANSFER_BAD_PROTOCOL, "an answer that is no HTTP");
    struct transfer_result result =
        perform("", (struct transfer_request){.url = "gopher://127.0.0.1/"}, NULL);
    CHECK(result.outcome == TRANSFER_BAD_PROTOCOL, "a protocol that nobody speaks");
    result = perform("", (struct transfer_request){.url = "http://:x"}, NULL);
    CHECK(result.outcome == TRANSFER_BAD_URL && result.words[0], "a URL that is none, in words");
    int closed = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    char url[64];
    if (bind(closed, (struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(closed, (struct sockaddr *)&address, &length) == 0) {
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(address.sin_port));
        result = perform("", (struct transfer_request){.url = url}, NULL);
        CHECK(result.outcome == TRANSFER_NOT_CONNECTED, "a port where nobody listens");
    }
    (void)close(closed);
}

static void a_stalling_server_is_given_up(void)
{
    struct transfer_result result = perform(
        "/stall", (struct transfer_request){.low_speed_limit = 100, .low_speed_window = 1}, NULL);
    CHECK(result.outcome == TRANSFER_SLOW, "after the window for slow transfers");
}

static void a_writer_may_refuse(void)
{
    struct body body = {.limit = 10};
    struct transfer_result result = get("/body/1000", &body);
    CHECK(result.outcome == TRANSFER_REFUSED && result.refusal == -ENOSPC,
          "and it is told what it said");
    text_free(&body.bytes);
}

static void redirections_are_followed_where_asked(void)
{
    struct body body = {.limit = 0};
    struct transfer_result result = get("/redirect", &body);
    CHECK(result.outcome == TRANSFER_ANSWERED && result.status == 302 && body.bytes.length == 0,
          "otherwise one is an answer");
    result = perform("/redirect", (struct transfer_request){.follow_redirects = true}, &body);
    CHECK(result.status == 200 && body.bytes.length == 3, "it leads to the body");
    result = perform("/circle", (struct transfer_request){.follow_redirects = true}, NULL);
    CHECK(result.outcome == TRANSFER_ANSWERED && result.status == 302, "a circle ends some time");
    text_free(&body.bytes);
}

static void a_cancelled_transfer_ends(void)
{
    static const atomic_bool cancelled = true;
    struct transfer_result result =
        perform("/stall", (struct transfer_request){.cancelled = &cancelled}, NULL);
    CHECK(result.outcome == TRANSFER_CANCELLED, "although its server does nothing");
}

static void files_are_served_too(void)
{
    char name[] = "/tmp/test_transfer.XXXXXX";
    auto_fd int fd = mkstemp(name);
    char url[64];
    struct body body = {.limit = 0};
    (void)snprintf(url, sizeof url, "file://%s", name);
    CHECK(write(fd, "content", 7) == 7, "a file");
    struct transfer_result result = perform("", (struct transfer_request){.url = url}, &body);
    CHECK(result.outcome == TRANSFER_ANSWERED && result.status == 200 && body.bytes.length == 7,
          "is answered with 200");
    (void)unlink(name);
    result = perform("", (struct transfer_request){.url = url}, &body);
    CHECK(result.outcome == TRANSFER_ANSWERED && result.status == 404, "without it, with 404");
    text_free(&body.bytes);
}

int main(void)
{
    const struct transfer_options options = {.user_agent = "agent"};
    if (!CHECK(library_find() && transfer_load(&operations, NULL) == 0, "the library is loaded") ||
        !CHECK(http_start(&server), "a server on loopback") ||
        !CHECK(operations->open(&options, &connection) == 0, "a connection"))
        return tap_done();
    a_body_comes_whole();
    one_socket_serves_many_transfers();
    error_pages_are_no_body();
    the_head_is_what_servers_expect();
    a_proxy_gets_the_whole_url();
    each_kind_of_failure_is_told_apart();
    a_stalling_server_is_given_up();
    a_writer_may_refuse();
    redirections_are_followed_where_asked();
    a_cancelled_transfer_ends();
    files_are_served_too();
    operations->close(connection);
    http_stop(&server);
    return tap_done();
}
