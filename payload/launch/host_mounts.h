/* Repositories mounted on the plain host, without namespaces, under <dist>/cvmfs ("mode 1"). */
#ifndef CVMFSEXEC_LAUNCH_HOST_MOUNTS_H
#define CVMFSEXEC_LAUNCH_HOST_MOUNTS_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/launch/caller.h"
#include "payload/launch/paths.h"

/* Mounts the config repository, if there is one, and then `name`; a name without a dot gets
 * CVMFS_DEFAULT_DOMAIN, here as well as in unmounting. What is mounted already is left
 * alone; a mount whose client is gone is replaced. The exit code: 0 or that of the client that
 * failed, with `report` told what it said, or 128+N when signal N came first; or a negative errno.
 * With any code `report` may have a warning. To be called with the signals of the caller blocked
 * (caller_remember). Changes the working directory. */
int host_mounts_mount(const struct paths *paths, const struct caller *caller, const char *name,
                      struct text *report, struct error *error);

/* Unmounts `name`, or with NULL everything, the latest first. It is a failure that it is not
 * mounted, and none that nothing is. 0 or a negative errno. */
int host_mounts_unmount(const struct paths *paths, const char *name, bool lazily,
                        struct error *error);

#endif
