/* A distribution from package repositories: from its name to checked packages, and from those to
 * what is in the tree. */
#ifndef CVMFSEXEC_PACKER_DISTRIBUTION_H
#define CVMFSEXEC_PACKER_DISTRIBUTION_H

#include <stdbool.h>

#include "packer/package_set.h"
#include "packer/plan.h"
#include "packer/source.h"
#include "packer/stage.h"
#include "payload/base/error.h"

struct distribution_options {
    struct plan_request request;
    const char *directory;   /* of this program: companion_find */
    const char *version;     /* of the client, or NULL: the newest */
    const char *cache;       /* directory for downloads, or NULL: the usual one */
    const char *keys;        /* directory of OpenPGP keys, or NULL */
    bool require_signatures; /* refuse what no trusted key has signed */
    bool without_closure;    /* leave out what the node should have */
    bool quiet;              /* show no downloads, no warnings */
};

struct distribution;

/* Finds all packages of the distribution; nothing is downloaded yet but metadata. The table and
 * what the options point to must stay. 0; as plan_make, resolver_find. */
int distribution_open(const struct distribution_options *options, const struct source_table *table,
                      struct distribution **distribution, struct error *error);
void distribution_close(struct distribution *distribution); /* NULL is allowed */

/* What was found, in the order of unpacking; the distribution's. */
const struct package_set *distribution_packages(const struct distribution *distribution);

/* Downloads and checks them. 0; -EBADMSG for a package that was refused; as download_all. */
int distribution_download(struct distribution *distribution, struct error *error);

/* Unpacks them into the stage of a tree, and finishes that: links become relative, the client finds
 * its libraries, wherever it comes to run, and so do the helpers for authorisation. `fill` of a
 * tree. */
int distribution_fill(struct distribution *distribution, const struct stage *stage,
                      struct error *error);

#endif
