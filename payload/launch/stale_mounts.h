/* What killed runs of mountrepo left in dist/cvmfs: mounts whose client is gone, and empty
 * directories to mount on. */
#ifndef CVMFSEXEC_LAUNCH_STALE_MOUNTS_H
#define CVMFSEXEC_LAUNCH_STALE_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "payload/base/error.h"

/* Whether the FUSE file system mounted on `path` is served by nobody any more. */
bool mount_is_stale(const char *path);

/* The same by a process of its own, for who must not wait: one that serves may answer late or
 * never. Its pid or a negative errno. It ends after some seconds at the latest; `wait_status` is
 * what waitpid(2) gave, and in doubt the file system is served. */
pid_t mount_look_start(const char *path);
bool mount_look_is_stale(int wait_status);

/* Makes `directory` if it is missing, removes what is stale there, and keeps others from doing so
 * as long as `use` is open, which the caller owns: a directory that is about to be mounted on looks
 * like one that was left. 0 or a negative errno. */
int stale_mounts_begin_use(const char *directory, int *use, struct error *error);

/* Removes what is stale in `directory`, unless somebody is just using it; what is mounted and
 * served is left alone. What cannot be removed stays. */
void stale_mounts_remove(const char *directory);

#endif
