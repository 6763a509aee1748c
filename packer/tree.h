/* The dist tree.
 *
 *     .cvmfsexecdist                        stamp.h
 *     etc/os-release, etc/cvmfs, var        skeleton.h
 *     usr                                   a client: native.h, or of packages
 *
 * The tree may be moved, copied and used by anybody: it holds no path of its own. */
#ifndef CVMFSEXEC_PACKER_TREE_H
#define CVMFSEXEC_PACKER_TREE_H

#include <stdbool.h>

#include "packer/machine.h"
#include "packer/stage.h"
#include "payload/base/error.h"

/* The name of the tree, beside makedist and in a bundle. */
#define TREE_NAME "dist"

/* Puts client and configuration into a tree that has its directories. 0 or a negative errno. */
typedef int tree_fill(void *context, const struct stage *stage, struct error *error);

struct tree_options {
    const char *directory;         /* in which the tree is made */
    const struct machine *machine; /* what the tree is for */
    const char *distribution;      /* "osg", ...: some defaults of a site depend on it */
    bool sing;                     /* for singcvmfs */
    tree_fill *fill;
    void *fill_context;
};

/* Makes the tree. Whatever happens, `dist` is either not there or complete. Needs a umask that
 * leaves others their read permission. 0; -EEXIST when `dist` is there already; -EINTR when a
 * signal asked to stop, which is delivered on return; what `fill` and the system give. */
int tree_make(const struct tree_options *options, struct error *error);

/* -EEXIST with words when there is a tree in `directory`, as tree_make would say it: for callers
 * with much to do before they come to that. 0 or another negative errno. */
int tree_refuse_existing(const char *directory, struct error *error);

#endif
