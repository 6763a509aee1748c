/* Counting and removing the objects of a cache directory. */
#ifndef CVMFSEXEC_CLIENT_CACHE_CLEANUP_H
#define CVMFSEXEC_CLIENT_CACHE_CLEANUP_H

#include <stdint.h>

#include "payload/base/error.h"

/* Counts the objects. Where they take more than `limit` bytes, removes the least recently used ones
 * (by access time) until the rest take at most `goal`. Catalogs that a breadcrumb names stay.
 * `*used` is the bytes of what is left. 0 or a negative errno; objects that vanish meanwhile are no
 * error. */
int cache_cleanup(int directory, uint64_t limit, uint64_t goal, uint64_t *used,
                  struct error *error);

/* Removes transactions in txn/ that nobody has written to for a day: their processes are dead. */
void cache_sweep_transactions(int directory);

#endif
