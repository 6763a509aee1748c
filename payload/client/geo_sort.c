/* The requests to the Geo-API. What they ask and how an answer is read: geo.h. */
#include "payload/client/geo_sort.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <syslog.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/log.h"
#include "payload/client/url.h"

#define ATTEMPTS_MAX 3
#define ANSWER_MAX (16 * 1024)
#define UUID_SIZE 36

/* An answer that is being received, and what it says. */
struct answer {
    const struct geo_list *list;
    struct text bytes;
    size_t *servers;
    size_t *fallback;
};

static int start(void *context)
{
    struct answer *answer = context;
    answer->bytes.length = 0;
    return 0;
}

static int write_bytes(void *context, const void *bytes, size_t length)
{
    struct answer *answer = context;
    return answer->bytes.length + length > ANSWER_MAX ? 1
                                                      : text_append(&answer->bytes, bytes, length);
}

static int finish(void *context)
{
    struct answer *answer = context;
    int result = geo_read(answer->list, answer->bytes.bytes, answer->bytes.length, answer->servers,
                          answer->fallback);
    return result == -EINVAL ? 1 : result;
}

/* The configured key; else the proxy's name, which says where we are; else one that is as good as
 * none: then the server looks at the address that we come from. */
static int find_key(struct downloader *downloader, const struct leg *leg, struct text *key)
{
    struct url proxy;
    if (downloader->geo_key && downloader->geo_key[0])
        return text_append_string(key, downloader->geo_key);
    if (leg->proxy_url && url_parse(leg->proxy_url, &proxy))
        return text_append(key, proxy.host.start, proxy.host.length);
    char uuid[UUID_SIZE];
    auto_fd int fd = open("/proc/sys/kernel/random/uuid", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || file_read_full(fd, uuid, sizeof uuid) != UUID_SIZE)
        return text_append_string(key, "x");
    return text_append(key, uuid, sizeof uuid);
}

/* Whether the server gave a good answer. */
static bool ask(struct downloader *downloader, struct answer *answer, size_t server)
{
    auto_text struct text key = TEXT_INIT;
    auto_text struct text path = TEXT_INIT;
    struct leg leg;
    route_continue(&downloader->route, server, 0, &leg);
    if (find_key(downloader, &leg, &key) < 0 || geo_path(answer->list, key.bytes, &path) < 0)
        return false;
    const struct download_request request = {
        .path = path.bytes,
        .sink = {.start = start, .write = write_bytes, .finish = finish, .context = answer},
    };
    return download_once(downloader, &request, &leg);
}

void geo_sort(struct downloader *downloader, const struct geo_list *list)
{
    size_t count = list->server_count;
    auto_free size_t *servers = calloc(count + 1, sizeof *servers);
    auto_free size_t *fallback = calloc(list->fallback_count + 1, sizeof *fallback);
    auto_free size_t *untried = calloc(count + 1, sizeof *untried);
    if (!servers || !fallback || !untried)
        return; /* the configured order will do */
    struct answer answer = {.list = list, .servers = servers, .fallback = fallback};
    for (size_t index = 0; index < count; index++)
        untried[index] = index;
    bool good = false;
    for (size_t attempt = 0; attempt < ATTEMPTS_MAX && count > 0 && !good; attempt++) {
        size_t picked = arc4random_uniform((uint32_t)count);
        good = ask(downloader, &answer, untried[picked]);
        untried[picked] = untried[--count];
    }
    text_free(&answer.bytes);
    if (!good || route_order(&downloader->route, servers, fallback) < 0)
        log_message(LOG_WARNING, "failed to retrieve geographic order from stratum 1 servers");
}
