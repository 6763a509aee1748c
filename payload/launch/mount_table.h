/* Which FUSE file systems are mounted, proc_pid_mountinfo(5). */
#ifndef CVMFSEXEC_LAUNCH_MOUNT_TABLE_H
#define CVMFSEXEC_LAUNCH_MOUNT_TABLE_H

#include <stddef.h>

#include "payload/base/strings.h"

/* Appends the mount points under `directory`, itself not included, of file systems of type "fuse"
 * or "fuse.*", in the order of mounting. Lines that are not understood are passed over. 0 or
 * -ENOMEM. */
int mount_table_parse(const char *bytes, size_t length, const char *directory,
                      struct strings *mount_points);

/* The same from /proc/self/mountinfo. 0 or a negative errno. */
int mount_table_read(const char *directory, struct strings *mount_points);

#endif
