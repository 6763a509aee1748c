/* Parameters to numbers and strings, with the defaults of the code; nothing is checked further. */
#include "payload/client/download_settings.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define GRID_CERTIFICATES "/etc/grid-security/certificates"
#define SECONDS_MAX (INT_MAX / 1000)

/* A number that is no less than 0 and, in milliseconds too, fits an int. */
static unsigned number(const struct parameters *parameters, const char *name, unsigned fallback)
{
    long long value = parameters_number(parameters, name, fallback);
    if (value < 0)
        return 0;
    return value > SECONDS_MAX ? SECONDS_MAX : (unsigned)value;
}

static void read_regular(const struct parameters *parameters, struct download_settings *settings)
{
    settings->servers = parameters_get(parameters, "CVMFS_SERVER_URL");
    settings->proxies.proxies = parameters_get(parameters, "CVMFS_HTTP_PROXY");
    settings->proxies.fallback = parameters_get(parameters, "CVMFS_FALLBACK_PROXY");
    settings->servers_max = number(parameters, "CVMFS_MAX_SERVERS", 0);
}

static void read_external(const struct parameters *parameters, struct download_settings *settings)
{
    settings->servers = parameters_get(parameters, "CVMFS_EXTERNAL_URL");
    settings->proxies.proxies = parameters_get(parameters, "CVMFS_EXTERNAL_HTTP_PROXY");
    if (!settings->proxies.proxies)
        settings->proxies.proxies = PROXY_DIRECT;
    settings->proxies.fallback = parameters_get(parameters, "CVMFS_EXTERNAL_FALLBACK_PROXY");
    settings->servers_max = number(parameters, "CVMFS_EXTERNAL_MAX_SERVERS", 0);
    settings->timeout = number(parameters, "CVMFS_EXTERNAL_TIMEOUT", settings->timeout);
    settings->timeout_direct =
        number(parameters, "CVMFS_EXTERNAL_TIMEOUT_DIRECT", settings->timeout_direct);
}

/* Where neither is set and the grid's directory is not there, the system's authorities are better
 * than none. */
static void read_authorities(const struct parameters *parameters,
                             struct download_settings *settings)
{
    if (parameters_is_on(parameters, "CVMFS_USE_SSL_SYSTEM_CA", false))
        return;
    settings->ca_directory = getenv("X509_CERT_DIR");
    settings->ca_bundle = getenv("X509_CERT_BUNDLE");
    if (!settings->ca_directory && access(GRID_CERTIFICATES, X_OK) == 0)
        settings->ca_directory = GRID_CERTIFICATES;
}

void download_settings_read(const struct parameters *parameters, enum downloader_kind kind,
                            struct download_settings *settings)
{
    *settings = (struct download_settings){
        .host_reset_after = number(parameters, "CVMFS_HOST_RESET_AFTER", 0),
        .timeout = number(parameters, "CVMFS_TIMEOUT", 5),
        .timeout_direct = number(parameters, "CVMFS_TIMEOUT_DIRECT", 5),
        .low_speed_limit = number(parameters, "CVMFS_LOW_SPEED_LIMIT", 1024),
        .retries = number(parameters, "CVMFS_MAX_RETRIES", 1),
        .backoff_initial = 1000 * number(parameters, "CVMFS_BACKOFF_INIT", 2),
        .backoff_longest = 1000 * number(parameters, "CVMFS_BACKOFF_MAX", 10),
        .proxies_forever = parameters_is_on(parameters, "CVMFS_FAILOVER_INDEFINITELY", false),
        .follow_redirects = parameters_is_on(parameters, "CVMFS_FOLLOW_REDIRECTS", false),
        .send_info = parameters_is_on(parameters, "CVMFS_SEND_INFO_HEADER", false),
        .ip_family = parameters_number(parameters, "CVMFS_IPFAMILY_PREFER", 4) == 6 ? 6 : 4,
        .addresses_per_proxy = number(parameters, "CVMFS_MAX_IPADDR_PER_PROXY", 0),
        .use_geo = parameters_is_on(parameters, "CVMFS_USE_GEOAPI", false),
        .geo_key = parameters_get(parameters, "CVMFS_PROXY_TEMPLATE"),
    };
    settings->proxies.automatic = getenv("http_proxy");
    settings->proxies.reset_after = number(parameters, "CVMFS_PROXY_RESET_AFTER", 0);
    if (kind == DOWNLOADER_EXTERNAL)
        read_external(parameters, settings);
    else
        read_regular(parameters, settings);
    read_authorities(parameters, settings);
}
