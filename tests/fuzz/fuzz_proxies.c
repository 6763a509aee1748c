/* Proxy strings, as configurations and environments have them: the regular ones, a line for the
 * fallback, a line for `auto`. Whatever comes out has groups without gaps and can be walked
 * through. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/client/proxies.h"
#include "payload/client/url.h"

#define STEPS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_groups(const struct proxies *proxies)
{
    size_t group = 0;
    for (size_t index = 0; index < proxies->count; index++) {
        const struct proxy *proxy = &proxies->items[index];
        struct url url;
        group += index > 0 && proxy->group == group + 1;
        if (proxy->group != group)
            abort();
        if (!proxy_is_direct(proxy) && (!url_parse(proxy->url, &url) || url.scheme.length == 0))
            abort();
    }
    if (group + 1 != proxies->groups || proxies->fallback > proxies->groups)
        abort();
}

static void walk(struct proxies *proxies)
{
    proxies_reset(proxies, (unsigned)proxies->count);
    for (unsigned step = 0; step < STEPS; step++) {
        if (proxies->current >= proxies->count || proxies->items[proxies->current].burned)
            abort();
        (void)proxies_leave(proxies, proxies->current, step, step * 7);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *regular = malloc(size + 1);
    if (!regular)
        return 0;
    memcpy(regular, data, size);
    regular[size] = '\0';
    char *fallback = strchr(regular, '\n');
    if (fallback)
        *fallback++ = '\0';
    char *automatic = fallback ? strchr(fallback, '\n') : NULL;
    if (automatic)
        *automatic++ = '\0';
    const struct proxy_configuration configuration = {
        .proxies = regular, .fallback = fallback, .automatic = automatic, .reset_after = 3};
    struct proxies proxies;
    if (proxies_parse(&configuration, &proxies, NULL) < 0)
        return 0;
    check_groups(&proxies);
    walk(&proxies);
    proxies_free(&proxies);
    return 0;
}
