/* The stamp of a dist tree, .cvmfsexecdist: two lines that say what kind of tree it is.
 *     disttype: standard|sing
 *     machtype: TYPE */
#ifndef CVMFSEXEC_PACKER_STAMP_H
#define CVMFSEXEC_PACKER_STAMP_H

#include <stdbool.h>

#include "payload/base/error.h"

struct stamp {
    bool sing;         /* made for singcvmfs */
    char machtype[48]; /* the name of a machine type; the note of a bundle has as much room */
};

/* The name of the kind, as it stands in the stamp and in a bundle. */
const char *stamp_disttype(bool sing);

/* Writes the stamp of the tree whose directory `tree` is. 0 or a negative errno. */
int stamp_write(int tree, const struct stamp *stamp, struct error *error);

/* Reads it. 0; -ENOENT when there is none; -EINVAL when it is not as above; others from the
 * system. */
int stamp_read(int tree, struct stamp *stamp, struct error *error);

#endif
