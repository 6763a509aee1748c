/* The closure of a tree for another system: whether each program and library in it finds what it
 * needs, and the libraries that are missing, loader and libc included, from the package
 * repositories of that system.
 *
 * Needs are compared with their symbol versions. What is added stands in usr/lib64, under the name
 * by which it is asked for, and in usr/share/cvmfsexec/libraries with the package it is from. */
#ifndef CVMFSEXEC_PACKER_TARGET_CLOSURE_H
#define CVMFSEXEC_PACKER_TARGET_CLOSURE_H

#include "packer/machine.h"
#include "packer/package_set.h"
#include "packer/resolver.h"
#include "packer/stage.h"
#include "payload/base/error.h"
#include "payload/base/text.h"

struct target_closure_options {
    const struct machine *machine; /* whose programs they have to be */
    struct resolver *resolver;
    struct download_session *session;
    /* Checks a package that was downloaded, as the others of the tree were. */
    int (*check)(void *context, const struct resolved *resolved, const struct download *download,
                 struct error *error);
    void *check_context;
};

/* Completes the tree; packages that were needed for it are added to `set`. 0; -ENOEXEC with words
 * for a damaged file, or one for another machine; -ENOENT with a list of what is missing and who
 * needs it; what downloads and packages give. */
int target_closure_fill(const struct target_closure_options *options, const struct stage *stage,
                        struct package_set *set, struct error *error);

/* For a tree that leaves its libraries to the node: appends, for people, what is neither in it nor
 * in every system of its machine type, and who needs it; nothing when there is all. 0, -ENOEXEC as
 * above, or another negative errno. */
int target_closure_compare(const struct machine *machine, const struct stage *stage,
                           struct text *names, struct error *error);

#endif
