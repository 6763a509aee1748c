/* What of a cache travels, and what belongs to the machine and the clients that used it. */
#ifndef CVMFSEXEC_PACKER_CACHE_STATE_H
#define CVMFSEXEC_PACKER_CACHE_STATE_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether something in a cache directory is content: a directory, an object ("ab/cdef...", named by
 * its hash, perhaps with the algorithm's name behind it), a breadcrumb ("cvmfschecksum.FQRN"), or
 * the marker ".cvmfscache". All else is state: locks, pipes, sockets, what is being downloaded, the
 * accounts of what is there, which clients make anew. `name` is relative to the directory that may
 * have several caches in it. */
bool cache_is_content(const char *name, mode_t mode);

#endif
