/* A FUSE file system that is mounted outside of the namespaces and brought inside. */
#ifndef CVMFSEXEC_LAUNCH_BOUND_MOUNT_H
#define CVMFSEXEC_LAUNCH_BOUND_MOUNT_H

#include <stdbool.h>

#include "payload/base/error.h"

/* Like fuse_mount(), by the mounter (mounter.h) at the other end of the socket `mounter`. In the
 * end it is mounted inside only. */
int bound_mount(int mounter, const char *path, bool check_permissions, struct error *error);

#endif
