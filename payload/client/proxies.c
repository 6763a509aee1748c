/* Which proxy is current, and what becomes of one that fails. */
#include "payload/client/proxies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"

void proxies_free(struct proxies *proxies)
{
    for (size_t i = 0; i < proxies->count; i++)
        free(proxies->items[i].url);
    free(proxies->items);
    *proxies = (struct proxies){.items = NULL};
}

bool proxy_is_direct(const struct proxy *proxy)
{
    return strcmp(proxy->url, PROXY_DIRECT) == 0;
}

/* A random member of the group that is not burned; false when there is none. */
static bool pick(struct proxies *proxies, size_t group, unsigned random)
{
    size_t candidates = 0;
    for (size_t i = 0; i < proxies->count; i++)
        candidates += proxies->items[i].group == group && !proxies->items[i].burned;
    if (candidates == 0)
        return false;
    size_t chosen = random % candidates;
    for (size_t i = 0; i < proxies->count; i++) {
        const struct proxy *proxy = &proxies->items[i];
        if (proxy->group == group && !proxy->burned && chosen-- == 0) {
            proxies->current = i;
            break;
        }
    }
    return true;
}

static void enter_group(struct proxies *proxies, size_t group, unsigned random)
{
    for (size_t i = 0; i < proxies->count; i++)
        proxies->items[i].burned = false;
    (void)pick(proxies, group, random); /* no group is empty */
}

void proxies_reset(struct proxies *proxies, unsigned random)
{
    enter_group(proxies, 0, random);
    proxies->is_reset = true;
}

bool proxies_is_reset_due(const struct proxies *proxies, int64_t now)
{
    return !proxies->is_reset && proxies->reset_after > 0 &&
           now - proxies->left >= proxies->reset_after;
}

bool proxies_leave(struct proxies *proxies, size_t failed, int64_t now, unsigned random)
{
    if (proxies->current != failed)
        return false;
    size_t group = proxies->items[failed].group;
    if (group == 0) {
        proxies->left = now;
        proxies->is_reset = false;
    }
    proxies->items[failed].burned = true;
    if (!pick(proxies, group, random))
        enter_group(proxies, (group + 1) % proxies->groups, random);
    return proxies->current != failed;
}

int proxies_order_fallback(struct proxies *proxies, const size_t *order)
{
    size_t groups = proxies->groups - proxies->fallback;
    auto_free struct proxy *sorted = calloc(proxies->count + 1, sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    size_t count = 0;
    for (; count < proxies->count && proxies->items[count].group < proxies->fallback; count++)
        sorted[count] = proxies->items[count];
    for (size_t place = 0; place < groups; place++) {
        for (size_t i = 0; i < proxies->count; i++) {
            if (proxies->items[i].group != proxies->fallback + order[place])
                continue;
            sorted[count] = proxies->items[i];
            sorted[count++].group = proxies->fallback + place;
        }
    }
    memcpy(proxies->items, sorted, count * sizeof *sorted);
    return 0;
}

int proxies_list(const struct proxies *proxies, struct text *text)
{
    int result = 0;
    for (size_t i = 0; i < proxies->count && result == 0; i++)
        result = text_printf(text, "%s\n", proxies->items[i].url);
    return result;
}
