/* The words for a package that is not where it should be. */
#ifndef CVMFSEXEC_PACKER_MISSING_PACKAGE_H
#define CVMFSEXEC_PACKER_MISSING_PACKAGE_H

#include "payload/base/error.h"
#include "payload/base/strings.h"

struct missing_package {
    const char *name;
    const char *architecture;
    const char *version; /* asked for, or NULL */
    const char *where;   /* "almalinux", "the repositories" */
};

/* Says which versions there are, newest first, when it is only the version that is missing. Returns
 * -ENOENT, or -ENOMEM. */
int missing_package_error(const struct missing_package *missing, const struct strings *versions,
                          struct error *error);

#endif
