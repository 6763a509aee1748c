/* The directory /cvmfs of the new mount namespace. */
#ifndef CVMFSEXEC_LAUNCH_ROOT_H
#define CVMFSEXEC_LAUNCH_ROOT_H

#include <stdbool.h>

#include "payload/base/error.h"

#define ROOT_REPOSITORIES "/cvmfs"

/* The file system of ours that /cvmfs is on. */
struct root {
    const char *mount_point; /* "/cvmfs", or "/" where the host has no such directory */
    bool writable;
};

/* Makes an empty /cvmfs that can be written to. Where the host has that directory, a tmpfs over it;
 * else a new root directory on a tmpfs, with everything of the old one in it, which replaces the
 * old one; entries that cannot be taken over are left out. The working directory stays the same
 * directory. `further`, when it is not NULL, is the path of another directory in "/" that is wanted
 * empty: it is treated the same. 0 or a negative errno. */
int root_prepare(struct root *root, const char *further, struct error *error);

/* Changes to the working directory of before, in a new mount namespace: by name, for the old
 * directory itself is on a mount that is no longer part of the tree; but rather to `old`, its
 * descriptor or -1, than to "/". `name` may be NULL. 0 or a negative errno. */
int root_return_to(const char *name, int old, struct error *error);

/* Changes to the working directory of before, in a new mount namespace: by name, for the old
 * directory itself is on a mount that is no longer part of the tree; but rather to `old`, its
 * descriptor or -1, than to "/". `name` may be NULL. 0 or a negative errno. */
int root_return_to(const char *name, int old, struct error *error);

/* Closes that file system to writing, or opens it again, or leaves it as it is when it is so
 * already. 0 or a negative errno. */
int root_set_writable(struct root *root, bool writable, struct error *error);

#endif
