/* Answers of the Geo-API. What is accepted is a permutation, which servers and proxies then take.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "payload/client/geo.h"

#define SERVERS 3
#define GROUPS 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_permutation(const size_t *order, size_t count)
{
    bool seen[SERVERS] = {false};
    for (size_t index = 0; index < count; index++) {
        if (order[index] >= count || seen[order[index]])
            abort();
        seen[order[index]] = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct proxy_configuration configuration = {.proxies = "DIRECT", .fallback = "y:1;w:1"};
    struct servers servers = {.urls = NULL};
    struct proxies proxies = {.items = NULL};
    struct geo_list list = {.servers = NULL};
    size_t order[SERVERS];
    size_t fallback[GROUPS];
    if (servers_parse("http://b;http://c;http://a", 0, &servers) == 0 &&
        proxies_parse(&configuration, &proxies, NULL) == 0 &&
        geo_list_build(&servers, &proxies, &list) == 0 &&
        geo_read(&list, (const char *)data, size, order, fallback) == 0) {
        check_permutation(order, SERVERS);
        check_permutation(fallback, GROUPS);
    }
    geo_list_free(&list);
    servers_free(&servers);
    proxies_free(&proxies);
    return 0;
}
