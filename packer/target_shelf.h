/* Libraries of packages that are unpacked only to take some of them: each package in a directory of
 * its own, within the stage of a tree but beside the tree's directories. */
#ifndef CVMFSEXEC_PACKER_TARGET_SHELF_H
#define CVMFSEXEC_PACKER_TARGET_SHELF_H

#include <stddef.h>

#include "packer/stage.h"
#include "payload/base/error.h"
#include "payload/base/strings.h"

/* Its entry in the stage. */
#define TARGET_SHELF ".incoming"

struct target_shelf_package {
    char *label;
    int directory;
    struct strings files; /* paths of what was unpacked: libraries, links among them */
};

struct target_shelf {
    const struct stage *stage;
    struct target_shelf_package *packages;
    size_t count;
};

/* An empty shelf; the stage stays the caller's. Nothing is made yet. */
struct target_shelf target_shelf_begin(const struct stage *stage);

/* Removes it with all that is on it. 0 or a negative errno. */
int target_shelf_end(struct target_shelf *shelf);

/* Puts the libraries of a package there. As package_unpack. */
int target_shelf_add(struct target_shelf *shelf, int fd, const char *label, struct error *error);

/* Opens the library `name` of package number `package`: in the usual directories, or else
 * whichever file of the package has the name. Links are followed as if the package were all there
 * is. A descriptor to read from, -ENOENT, or another negative errno. */
int target_shelf_find(const struct target_shelf *shelf, size_t package, const char *name);

#endif
