/* The part of a dist tree that is the same whatever client goes into it: directories, the default
 * configuration and what a site begins to edit. */
#ifndef CVMFSEXEC_PACKER_SKELETON_H
#define CVMFSEXEC_PACKER_SKELETON_H

#include "packer/machine.h"
#include "payload/base/error.h"

/* The directories, and a default.conf for trees whose client brings none. Modes are 0755 and 0644
 * as far as the umask allows, here and below. 0 or a negative errno. */
int skeleton_begin(int tree, struct error *error);

/* What is ours whatever packages have brought: etc/os-release, and the default.local of a
 * distribution ("osg", ...), which sites edit. 0 or a negative errno. */
int skeleton_finish(int tree, const struct machine *machine, const char *distribution,
                    struct error *error);

#endif
