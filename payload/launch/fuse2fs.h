/* The program fuse2fs of e2fsprogs, which serves the file system in an image: fuse2fs(1). */
#ifndef CVMFSEXEC_LAUNCH_FUSE2FS_H
#define CVMFSEXEC_LAUNCH_FUSE2FS_H

#include <signal.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/launch/paths.h"

/* The signal that ends fuse2fs, in order. It sees no other that can be blocked. */
#define FUSE2FS_END SIGHUP

struct fuse2fs_plan {
    const struct paths *paths;
    const char *program; /* as fuse2fs_find gave it */
    const char *image;   /* a name in the working directory */
    const char *where;   /* the mount point */
    int file;            /* of the image: locked as long as fuse2fs runs */
    int output;          /* where its words go */
};

/* Where the program is: in the dist tree, otherwise on the host. 0, or -ENOENT with words, or
 * another negative errno. */
int fuse2fs_find(const struct paths *paths, struct text *program, struct error *error);

/* Starts it in a new process, which serves until the file system is unmounted, or the calling
 * process ends. The caller must have CAP_SYS_ADMIN for its mount namespace: fuse2fs mounts by
 * itself, and is the only one to get that capability. All files appear as the caller's own; what
 * belonged to ids that the user namespace does not map could not be written to. Its pid or a
 * negative errno. */
pid_t fuse2fs_start(const struct fuse2fs_plan *plan, struct error *error);

#endif
