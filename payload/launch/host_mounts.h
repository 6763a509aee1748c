/* Repositories mounted on the plain host, without namespaces, under <dist>/cvmfs ("mode 1"). */
#ifndef CVMFSEXEC_LAUNCH_HOST_MOUNTS_H
#define CVMFSEXEC_LAUNCH_HOST_MOUNTS_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/launch/caller.h"
#include "payload/launch/paths.h"

/* Mounts the config repository, if there is one, and then `fqrn`. What is mounted already is left
 * alone; a mount whose client is gone is replaced. The exit code: 0 or that of the client that
 * failed, with `report` told what it said; or a negative errno. Changes the working directory. */
int host_mounts_mount(const struct paths *paths, const struct caller *caller, const char *fqrn,
                      struct text *report, struct error *error);

/* Unmounts `fqrn`, or with NULL everything, the latest first. It is a failure that `fqrn` is not
 * mounted, and none that nothing is. 0 or a negative errno. */
int host_mounts_unmount(const struct paths *paths, const char *fqrn, bool lazily,
                        struct error *error);

#endif
