/* The list of names and its permutation. */
#include "payload/client/geo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/client/url.h"

#define SEPARATOR "+PXYSEP+"

static size_t count_fallback(const struct proxies *proxies)
{
    return proxies->groups - proxies->fallback;
}

bool geo_is_useful(const struct servers *servers, const struct proxies *proxies)
{
    return servers->count >= 2 || (servers->count == 1 && count_fallback(proxies) >= 2);
}

struct name {
    struct url_part host;
    size_t index;
};

/* By their bytes; those of one name stay in order. */
static int compare_names(const void *left, const void *right)
{
    const struct name *one = left;
    const struct name *other = right;
    size_t length = one->host.length < other->host.length ? one->host.length : other->host.length;
    int order = memcmp(one->host.start, other->host.start, length);
    if (order == 0 && one->host.length != other->host.length)
        order = one->host.length < other->host.length ? -1 : 1;
    if (order == 0)
        order = one->index < other->index ? -1 : 1;
    return order;
}

static int append_name(struct text *names, const char *start, size_t length)
{
    int result = names->length > 0 ? text_append(names, ",", 1) : 0;
    return result < 0 ? result : text_append(names, start, length);
}

static int list_servers(const struct servers *servers, struct geo_list *list)
{
    auto_free struct name *names = calloc(servers->count + 1, sizeof *names);
    list->servers = calloc(servers->count + 1, sizeof *list->servers);
    if (!names || !list->servers)
        return -ENOMEM;
    for (size_t index = 0; index < servers->count; index++) {
        struct url url;
        if (!url_parse(servers->urls[index], &url))
            return -EINVAL;
        names[index] = (struct name){url.host, index};
    }
    qsort(names, servers->count, sizeof *names, compare_names);
    int result = 0;
    for (size_t place = 0; place < servers->count && result == 0; place++) {
        list->servers[place] = names[place].index;
        result = append_name(&list->names, names[place].host.start, names[place].host.length);
    }
    list->server_count = servers->count;
    return result;
}

/* The first proxy of a group stands for all of it. */
static int list_fallback(const struct proxies *proxies, struct geo_list *list)
{
    int result = 0;
    for (size_t index = 0; index < proxies->count && result == 0; index++) {
        const struct proxy *proxy = &proxies->items[index];
        struct url url;
        if (proxy->group != proxies->fallback + list->fallback_count)
            continue;
        if (!url_parse(proxy->url, &url))
            return -EINVAL;
        result = append_name(&list->names, url.host.start, url.host.length);
        list->fallback_count++;
    }
    return result;
}

int geo_list_build(const struct servers *servers, const struct proxies *proxies,
                   struct geo_list *list)
{
    *list = (struct geo_list){.names = TEXT_INIT};
    list->has_separator =
        proxies->fallback == 0 && count_fallback(proxies) > 0 && servers->count >= 2;
    int result = list_servers(servers, list);
    if (result == 0 && list->has_separator)
        result = append_name(&list->names, SEPARATOR, strlen(SEPARATOR));
    if (result == 0)
        result = list_fallback(proxies, list);
    if (result < 0)
        geo_list_free(list);
    return result;
}

void geo_list_free(struct geo_list *list)
{
    text_free(&list->names);
    free(list->servers);
    list->servers = NULL;
}

int geo_path(const struct geo_list *list, const char *key, struct text *path)
{
    return text_printf(path, "/api/v1.0/geo/%s/%s", key, list->names.bytes);
}

/* The next number of an answer, or 0 at its end; SIZE_MAX for what is no answer. Blanks and line
 * ends may stand anywhere between numbers and commas. */
static size_t next_number(const char *answer, size_t length, size_t *at, bool first)
{
    static const char blanks[] = " \t\r\n";
    bool comma = first;
    for (; *at < length; ++*at) {
        char byte = answer[*at];
        if (byte == ',' && !comma)
            comma = true;
        else if (byte == '\0' || !strchr(blanks, byte))
            break;
    }
    if (*at == length)
        return comma ? SIZE_MAX : 0;
    size_t number = 0;
    size_t digits = 0;
    for (; *at < length && answer[*at] >= '0' && answer[*at] <= '9'; ++*at, digits++)
        number = digits < 9 ? number * 10 + (size_t)(answer[*at] - '0') : SIZE_MAX;
    return comma && digits > 0 && number > 0 ? number : SIZE_MAX;
}

int geo_read(const struct geo_list *list, const char *answer, size_t length, size_t *servers,
             size_t *fallback)
{
    size_t behind_servers = list->server_count + list->has_separator;
    size_t total = behind_servers + list->fallback_count;
    auto_free bool *seen = calloc(total + 1, sizeof *seen);
    if (!seen)
        return -ENOMEM;
    size_t at = 0;
    for (size_t found = 0; found < total; found++) {
        size_t number = next_number(answer, length, &at, found == 0);
        if (number == 0 || number > total || seen[number])
            return -EINVAL;
        seen[number] = true;
        if (number <= list->server_count)
            *servers++ = list->servers[number - 1];
        else if (number > behind_servers)
            *fallback++ = number - 1 - behind_servers;
    }
    return next_number(answer, length, &at, false) == 0 ? 0 : -EINVAL;
}
