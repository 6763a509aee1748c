/* A FUSE file system that is mounted outside of the namespaces and shows inside of them. */
#ifndef CVMFSEXEC_LAUNCH_BOUND_MOUNT_H
#define CVMFSEXEC_LAUNCH_BOUND_MOUNT_H

#include <stdbool.h>

#include "payload/base/error.h"

/* Like fuse_mount(), by the mounter (mounter.h) at the other end of the socket `mounter`. Of its
 * mount outside nothing else shows inside, if the kernel permits to hide it. */
int bound_mount(int mounter, const char *path, bool check_permissions, struct error *error);

#endif
