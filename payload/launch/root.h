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
    char *directory; /* the working directory, when that was in the host's /cvmfs, or NULL; owned */
};

/* Makes an empty /cvmfs that can be written to. Where the host has that directory and nothing in
 * it, a tmpfs over it; else a new root directory on a tmpfs, with everything else of the old one in
 * it, which replaces the old one; entries that cannot be taken over are left out. The working
 * directory stays the same directory, if it is not in the host's /cvmfs. `further`, when it is not
 * NULL, is the path of another directory in "/" that is wanted empty: it is treated the same. 0 or
 * a negative errno. */
int root_prepare(struct root *root, const char *further, struct error *error);

void root_free(struct root *root);

#define auto_root __attribute__((cleanup(root_free)))

/* Changes to the working directory of before, in a new mount namespace: by name, for the old
 * directory itself is on a mount that is no longer part of the tree; but rather to `old`, its
 * descriptor or -1, than to "/". `name` may be NULL. 0 or a negative errno. */
int root_return_to(const char *name, int old, struct error *error);

/* Closes that file system to writing, or opens it again, or leaves it as it is when it is so
 * already. 0 or a negative errno. */
int root_set_writable(struct root *root, bool writable, struct error *error);

#endif
