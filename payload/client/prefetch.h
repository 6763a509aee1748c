/* Fetching ahead: objects that will be wanted soon, by a few threads of their own. */
#ifndef CVMFSEXEC_CLIENT_PREFETCH_H
#define CVMFSEXEC_CLIENT_PREFETCH_H

#include "payload/client/fetch.h"

struct prefetcher;

/* No thread runs until something is asked for, and they end when there is nothing to do. */
int prefetcher_create(struct fetcher *fetcher, struct prefetcher **prefetcher);
/* Waits for the fetches under way. */
void prefetcher_destroy(struct prefetcher *prefetcher);

/* Queues an object (copied, with its texts). One that is queued already, or that finds the queue
 * full, is passed over: whoever needs it fetches it. Its failure is nobody's. */
void prefetch(struct prefetcher *prefetcher, const struct object *object);

#endif
