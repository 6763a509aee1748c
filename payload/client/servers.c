/* Which server is asked first. Which ones a single request has tried already is its own affair. */
#include "payload/client/servers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/config/parameters.h"

int servers_parse(const char *list, int64_t reset_after, struct servers *servers)
{
    *servers = (struct servers){.reset_after = reset_after};
    servers->urls = parameters_split(list, ';', &servers->count);
    return servers->urls ? 0 : -ENOMEM;
}

void servers_free(struct servers *servers)
{
    free(servers->urls);
    *servers = (struct servers){.urls = NULL};
}

void servers_tick(struct servers *servers, int64_t now)
{
    if (servers->current != 0 && servers->reset_after > 0 &&
        now - servers->left >= servers->reset_after)
        servers->current = 0;
}

void servers_skip(struct servers *servers, size_t skipped, int64_t now)
{
    if (servers->current == 0)
        servers->left = now;
    servers->current = (skipped + 1) % servers->count;
}

bool servers_leave(struct servers *servers, size_t failed, int64_t now)
{
    if (servers->count < 2 || servers->current != failed)
        return false;
    servers_skip(servers, failed, now);
    return true;
}

int servers_order(struct servers *servers, const size_t *order)
{
    auto_free char **sorted = calloc(servers->count + 1, sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < servers->count; i++)
        sorted[i] = servers->urls[order[i]];
    memcpy(servers->urls, sorted, (servers->count + 1) * sizeof *sorted);
    servers->current = 0;
    return 0;
}

void servers_cut(struct servers *servers, size_t limit)
{
    if (limit == 0 || limit >= servers->count)
        return;
    servers->count = limit;
    servers->urls[limit] = NULL;
    if (servers->current >= limit)
        servers->current = 0;
}
