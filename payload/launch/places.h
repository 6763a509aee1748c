/* The places in and beside a dist tree that a client writes to. A site may have made symbolic links
 * of them, and a tree may be one that cannot be written to. */
#ifndef CVMFSEXEC_LAUNCH_PLACES_H
#define CVMFSEXEC_LAUNCH_PLACES_H

#include "payload/base/error.h"
#include "payload/launch/paths.h"

/* Makes the directory of logs if it is missing, and finds out whether the client of `fqrn` will be
 * able to write a log there. 0 or a negative errno. */
int places_prepare_log(const struct paths *paths, const char *fqrn, struct error *error);

/* Makes the directory of sockets, where that is possible: what a client can do without it is for
 * the client to say. */
void places_prepare_sockets(const struct paths *paths);

/* -ENOENT when `path` is a symbolic link to something that is not there; 0 for everything else. */
int places_check_link(const char *path, struct error *error);

#endif
