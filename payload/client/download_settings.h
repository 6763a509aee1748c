/* What a downloader takes from the configuration (cvmfs-format.md 8.4). */
#ifndef CVMFSEXEC_CLIENT_DOWNLOAD_SETTINGS_H
#define CVMFSEXEC_CLIENT_DOWNLOAD_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/client/download.h"
#include "payload/client/proxies.h"
#include "payload/config/parameters.h"

/* The strings belong to the parameters and the environment. */
struct download_settings {
    const char *servers; /* NULL: none */
    struct proxy_configuration proxies;
    int64_t host_reset_after; /* seconds */
    unsigned timeout;         /* seconds, through a proxy */
    unsigned timeout_direct;
    unsigned low_speed_limit; /* bytes per second */
    unsigned retries;
    unsigned backoff_initial; /* milliseconds */
    unsigned backoff_longest;
    bool proxies_forever;
    bool follow_redirects;
    bool send_info;
    int ip_family; /* 4 or 6 */
    size_t addresses_per_proxy;
    size_t servers_max; /* 0: all */
    bool use_geo;
    const char *geo_key;      /* CVMFS_PROXY_TEMPLATE, or NULL */
    const char *ca_directory; /* for https; both NULL: the system's */
    const char *ca_bundle;
};

void download_settings_read(const struct parameters *parameters, enum downloader_kind kind,
                            struct download_settings *settings);

#endif
