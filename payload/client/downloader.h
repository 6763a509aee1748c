/* The inside of a downloader, for the files that make it up: downloader.c (its making, what it
 * tells), download.c (its work). */
#ifndef CVMFSEXEC_CLIENT_DOWNLOADER_H
#define CVMFSEXEC_CLIENT_DOWNLOADER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "payload/client/connections.h"
#include "payload/client/download.h"
#include "payload/client/download_settings.h"
#include "payload/client/route.h"

/* The thread that downloads first prepares, while the others wait. */
enum preparation { PREPARATION_NONE, PREPARATION_RUNNING, PREPARATION_DONE };

struct downloader {
    struct route route;
    struct connections connections;
    struct download_settings settings; /* its strings are gone */
    char *user_agent;                  /* these are the downloader's own */
    char *ca_directory;
    char *ca_bundle;
    char *geo_key;

    pthread_mutex_t lock;   /* over the next two */
    pthread_cond_t changed; /* either of them */
    atomic_int preparation; /* enum preparation */
    atomic_bool cancelled;

    atomic_uint_fast64_t requests;
    atomic_uint_fast64_t received;
    atomic_uint_fast64_t nanoseconds;
};

/* Does what has to precede the first request: proxies are resolved, servers put in order. */
void downloader_prepare(struct downloader *downloader);

/* A single attempt, on this leg. Nothing is prepared for it, nothing is tried again; but a proxy
 * that failed is left. Whether it succeeded. */
bool download_once(struct downloader *downloader, const struct download_request *request,
                   const struct leg *leg);

#endif
