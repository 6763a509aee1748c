/* One FUSE file system in our own mount namespace, without any helper program. */
#ifndef CVMFSEXEC_LAUNCH_FUSE_MOUNT_H
#define CVMFSEXEC_LAUNCH_FUSE_MOUNT_H

#include <stdbool.h>

#include "payload/base/error.h"

/* Opens /dev/fuse and mounts it on `path`, an existing directory. Whoever reads the descriptor,
 * which the caller owns, serves the file system; until then each access to it waits, and when the
 * last copy of the descriptor is closed each access fails. `check_permissions`: the kernel compares
 * owner and mode itself. The descriptor or a negative errno. */
int fuse_mount(const char *path, bool check_permissions, struct error *error);

#endif
