/* From the strings of a configuration to proxy groups, and from names to addresses. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "payload/base/scope.h"
#include "payload/client/log.h"
#include "payload/client/proxies.h"
#include "payload/client/url.h"
#include "payload/config/parameters.h"

/* Appends an entry and takes the URL over, also when it fails. A NULL URL is one for which there
 * was no memory. */
static int add(struct proxies *proxies, size_t group, char *url)
{
    struct proxy *grown =
        url ? reallocarray(proxies->items, proxies->count + 1, sizeof *grown) : NULL;
    if (!grown) {
        free(url);
        return -ENOMEM;
    }
    proxies->items = grown;
    proxies->items[proxies->count++] = (struct proxy){.url = url, .group = group};
    return 0;
}

/* Blanks and control characters have no place in a proxy, and would be trouble in messages. */
static bool has_odd_bytes(const char *string)
{
    for (; *string; string++) {
        if ((unsigned char)*string <= ' ' || *string == 0x7f)
            return true;
    }
    return false;
}

static int add_member(struct proxies *proxies, size_t group, const char *member)
{
    if (strcmp(member, PROXY_DIRECT) == 0)
        return add(proxies, group, strdup(member));
    struct url url;
    if (has_odd_bytes(member) || !url_parse(member, &url)) {
        log_message(LOG_ERR, "not a proxy, leaving it out: %.200s", member);
        return 0;
    }
    auto_text struct text text = TEXT_INIT;
    int result = text_printf(&text, "%s%s", url.scheme.length ? "" : "http://", member);
    return result < 0 ? result : add(proxies, group, text_steal(&text));
}

/* Reads `|`-separated members. A group of which nothing is left takes no number. */
static int add_group(struct proxies *proxies, const char *text, bool no_direct, bool *dropped)
{
    auto_free char **members = parameters_split(text, '|', NULL);
    if (!members)
        return -ENOMEM;
    size_t before = proxies->count;
    int result = 0;
    for (char **member = members; *member && result == 0; member++) {
        if (no_direct && strcmp(*member, PROXY_DIRECT) == 0)
            *dropped = true;
        else
            result = add_member(proxies, proxies->groups, *member);
    }
    proxies->groups += proxies->count > before;
    return result;
}

/* Reads `;`-separated groups; `automatic` is put in the place of a group `auto`. */
static int add_groups(struct proxies *proxies, const char *list, const char *automatic,
                      bool no_direct, bool *dropped)
{
    auto_free char **groups = parameters_split(list, ';', NULL);
    if (!groups)
        return -ENOMEM;
    int result = 0;
    for (char **group = groups; *group && result == 0; group++) {
        if (strcmp(*group, "auto") != 0)
            result = add_group(proxies, *group, no_direct, dropped);
        else if (automatic && automatic[0] && strcmp(automatic, "auto") != 0)
            result = add_groups(proxies, automatic, NULL, no_direct, dropped);
        else
            log_message(LOG_NOTICE, "no proxy found automatically, leaving out the group 'auto'");
    }
    return result;
}

int proxies_parse(const struct proxy_configuration *configuration, struct proxies *proxies,
                  struct error *error)
{
    *proxies = (struct proxies){.reset_after = configuration->reset_after};
    bool has_fallback = configuration->fallback && configuration->fallback[0];
    bool dropped = false; /* a DIRECT, for the sake of the fallback */
    int result = add_groups(proxies, configuration->proxies, configuration->automatic, has_fallback,
                            &dropped);
    proxies->fallback = proxies->groups;
    if (dropped)
        log_message(LOG_NOTICE, "there are fallback proxies, leaving DIRECT out of the proxies");
    if (result == 0 && has_fallback && (dropped || proxies->count > 0))
        result = add_groups(proxies, configuration->fallback, NULL, true, &dropped);
    if (result == 0 && proxies->count == 0)
        result = error_set(error, -ENOENT, "failed to discover HTTP proxy servers");
    else if (result < 0)
        (void)error_system(error, result, "reading the proxies");
    if (result < 0)
        proxies_free(proxies);
    return result;
}

/* `original` with its host replaced by a numeric address. */
static char *with_address(const struct proxy *original, const struct url *url,
                          const struct addrinfo *address)
{
    char host[NI_MAXHOST];
    if (getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof host, NULL, 0,
                    NI_NUMERICHOST) != 0)
        return NULL;
    bool brackets = address->ai_family == AF_INET6;
    auto_text struct text text = TEXT_INIT;
    int result = text_append(&text, original->url, (size_t)(url->host.start - original->url));
    result = result ? result : text_printf(&text, brackets ? "[%s]" : "%s", host);
    result = result ? result : text_append_string(&text, url->host.start + url->host.length);
    return result < 0 ? NULL : text_steal(&text);
}

/* One entry for each address of the preferred family, of the other family where that has none. */
static int add_addresses(struct proxies *resolved, const struct proxy *original,
                         const struct url *url, const struct addrinfo *addresses, int family,
                         size_t limit)
{
    bool preferred = false;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next)
        preferred = preferred || address->ai_family == family;
    size_t added = 0;
    int result = 0;
    for (const struct addrinfo *address = addresses; address && result == 0;
         address = address->ai_next) {
        if ((preferred && address->ai_family != family) || (limit > 0 && added == limit))
            continue;
        result = add(resolved, original->group, with_address(original, url, address));
        added++;
    }
    return result;
}

static int resolve(const struct proxy *original, int family, size_t limit, struct proxies *resolved)
{
    struct url url;
    char host[NI_MAXHOST];
    /* A certificate is for a name. */
    bool is_name = !proxy_is_direct(original) && !url_has_scheme(original->url, "https") &&
                   url_parse(original->url, &url) && url.host.start[0] != '[' &&
                   url.host.length < sizeof host;
    if (!is_name)
        return add(resolved, original->group, strdup(original->url));
    memcpy(host, url.host.start, url.host.length);
    host[url.host.length] = '\0';
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    int failure = getaddrinfo(host, NULL, &hints, &addresses);
    if (failure != 0) {
        log_message(LOG_WARNING, "failed to resolve proxy %s (%s)", host, gai_strerror(failure));
        return add(resolved, original->group, strdup(original->url));
    }
    int result = add_addresses(resolved, original, &url, addresses, family, limit);
    freeaddrinfo(addresses);
    return result;
}

int proxies_resolve(const struct proxies *proxies, int family, size_t addresses_per_proxy,
                    struct proxies *resolved)
{
    *resolved = *proxies;
    resolved->items = NULL;
    resolved->count = 0;
    int result = 0;
    for (size_t i = 0; i < proxies->count && result == 0; i++)
        result = resolve(&proxies->items[i], family == 6 ? AF_INET6 : AF_INET, addresses_per_proxy,
                         resolved);
    if (result < 0)
        proxies_free(resolved);
    return result;
}
