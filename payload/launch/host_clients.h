/* The processes of the client that serve what is mounted outside of namespaces. */
#ifndef CVMFSEXEC_LAUNCH_HOST_CLIENTS_H
#define CVMFSEXEC_LAUNCH_HOST_CLIENTS_H

#include "payload/launch/paths.h"

/* Waits until no process of this tree's client runs here any more for the repository `fqrn`, or at
 * all, its cache manager included, when that is NULL: who has unmounted may want to remove the
 * tree, in which the client writes up to its end. Clients in other namespaces do not count. After
 * five seconds it waits no longer. */
void host_clients_wait(const struct paths *paths, const char *fqrn);

#endif
