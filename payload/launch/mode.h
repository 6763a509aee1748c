/* The ways to a FUSE file system, and the one that is taken:
 *
 *   1  fusermount mounts it on the plain host, without any namespace (mountrepo)
 *   2  fusermount mounts it outside, and it is moved into the namespaces
 *   3  it is mounted inside of the namespaces
 *
 * What works is found by trying: 3 first, and where it is refused, 2. */
#ifndef CVMFSEXEC_LAUNCH_MODE_H
#define CVMFSEXEC_LAUNCH_MODE_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/launch/paths.h"

#define MODE_VARIABLE "CVMFSEXEC_MODE"

enum mode_number {
    MODE_BY_TRYING = 0,
    MODE_HOST = 1,
    MODE_OUTSIDE = 2,
    MODE_INSIDE = 3,
};

struct mode {
    enum mode_number number;
    const struct paths *paths;
    int mounter;   /* inside of the namespaces: the socket of mounter.h, see outer_run */
    bool *outside; /* set when something was mounted outside: shared by all processes of the run */
};

#define MODE_HOST_INIT                                                     \
    {                                                                      \
        .number = MODE_HOST, .paths = NULL, .mounter = -1, .outside = NULL \
    }

/* What $CVMFSEXEC_MODE demands; MODE_BY_TRYING when it is not set or empty. 0 or -EINVAL. */
int mode_read(enum mode_number *number, struct error *error);

/* What it demands of a run with namespaces, prepared for the processes that are forked from now on.
 * `paths` must outlive it. 0 or a negative errno: -EINVAL for MODE_HOST, too. */
int mode_begin(struct mode *mode, const struct paths *paths, struct error *error);

/* Mounts on `path`, an existing directory, as fuse_mount() does. The descriptor that a client is to
 * read or a negative errno. */
int mode_mount(const struct mode *mode, const char *path, bool check_permissions,
               struct error *error);

/* Whether anything was mounted outside in this run. Such a mount is not ended by MNT_FORCE, but
 * only when nothing uses it any more. */
bool mode_is_outside(const struct mode *mode);

/* As umount2(2) with these flags, as far as they are permitted. 0 or a negative errno. */
int mode_unmount(const struct mode *mode, const char *path, int flags);

/* Adds to a refusal of namespaces that mountrepo needs none, if it could work. */
void mode_suggest_host(struct error *error);

#endif
