/* The part of a dist tree that is the same whatever client goes into it: directories, the default
 * configuration and what a site begins to edit. */
#ifndef CVMFSEXEC_PACKER_SKELETON_H
#define CVMFSEXEC_PACKER_SKELETON_H

#include "packer/machine.h"
#include "payload/base/error.h"

/* Fills the directory `tree`. Modes are 0755 and 0644 as far as the umask allows.
 * 0 or a negative errno. */
int skeleton_write(int tree, const struct machine *machine, struct error *error);

#endif
