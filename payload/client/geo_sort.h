/* Asking the Geo-API, before anything else is asked for. */
#ifndef CVMFSEXEC_CLIENT_GEO_SORT_H
#define CVMFSEXEC_CLIENT_GEO_SORT_H

#include "payload/client/downloader.h"
#include "payload/client/geo.h"

/* Asks up to three servers, picked at random, through the current proxy, and puts servers and
 * fallback groups into the order that the first good answer gives. Without one they stay as they
 * are, and a line of the log says so. */
void geo_sort(struct downloader *downloader, const struct geo_list *list);

#endif
