/* FUSE mounts of the plain host, by the setuid program that fuse3 or fuse brings. */
#ifndef CVMFSEXEC_LAUNCH_FUSERMOUNT_H
#define CVMFSEXEC_LAUNCH_FUSERMOUNT_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/text.h"

/* Appends the path of fusermount3 or, where there is only that, fusermount: in $PATH, and in the
 * places where distributions have it. One that has root's set-user-ID bit goes before one that has
 * not, since environments of packages bring copies without. 0, -ENOENT or -ENOMEM. */
int fusermount_find(struct text *path);

/* Like fuse_mount(), for a caller without any privilege. It shows as type "fuse" of "/dev/fuse".
 * What the program has to say it says on standard error. The descriptor or a negative errno. */
int fusermount_mount(const char *path, bool check_permissions, struct error *error);

/* Unmounts `path`; lazily: also while it is in use. 0 or a negative errno. */
int fusermount_unmount(const char *path, bool lazily, struct error *error);

#endif
