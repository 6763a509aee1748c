/* Symbolic links of a tree that may be moved. */
#ifndef CVMFSEXEC_PACKER_LINKS_H
#define CVMFSEXEC_PACKER_LINKS_H

#include "payload/base/error.h"

/* Makes every absolute symbolic link below the directory `tree` relative, so that it leads to the
 * same place within the tree that it named in a system. One that is relative stays, unless its text
 * climbs above the root of the tree: there is nothing above a root, so it leads below it. 0 or a
 * negative errno. */
int links_make_relative(int tree, struct error *error);

#endif
