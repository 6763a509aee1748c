/* What starts the programs of a tree from packages with the tree's libraries, where it is not the
 * launcher that does. */
#ifndef CVMFSEXEC_PACKER_STARTERS_H
#define CVMFSEXEC_PACKER_STARTERS_H

#include "packer/machine.h"
#include "packer/stage.h"
#include "payload/base/error.h"

struct starters_options {
    const char *directory;         /* of this program: companion_find */
    const struct machine *machine; /* of the tree */
};

/* Puts payload/start.c in the place of the helpers for authorisation, which a client starts: NAME
 * in usr/libexec/cvmfs/authz becomes .NAME, and a link to it. What is not started by a loader, as
 * scripts, and links stay as they are. 0, also when there are none; -ENOENT with words when this
 * build has no such program for the machine; others from the system. */
int starters_wrap_helpers(const struct starters_options *options, const struct stage *stage,
                          struct error *error);

/* Adds payload/name.c to the libraries, if the tree brings the loader of its client, and that
 * cannot be told argv[0]. As above. */
int starters_add_namer(const struct starters_options *options, const struct stage *stage,
                       struct error *error);

#endif
