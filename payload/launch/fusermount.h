/* FUSE mounts of the plain host, by the setuid program that fuse3 or fuse brings. */
#ifndef CVMFSEXEC_LAUNCH_FUSERMOUNT_H
#define CVMFSEXEC_LAUNCH_FUSERMOUNT_H

#include <stdbool.h>

#include "payload/base/error.h"

/* Like fuse_mount(), for a caller without any privilege. It shows as type "fuse" of "/dev/fuse".
 * What the program has to say it says on standard error. The descriptor or a negative errno. */
int fusermount_mount(const char *path, bool check_permissions, struct error *error);

/* Unmounts `path`; lazily: also while it is in use. 0 or a negative errno. */
int fusermount_unmount(const char *path, bool lazily, struct error *error);

#endif
