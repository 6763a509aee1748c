/* Which packages make a distribution, and from which source each comes. The rules are those of the
 * commands we replace; nothing is looked up in a network here. */
#ifndef CVMFSEXEC_PACKER_PLAN_H
#define CVMFSEXEC_PACKER_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "packer/machine.h"
#include "packer/source.h"
#include "payload/base/error.h"

/* What is to be made. */
struct plan_request {
    const struct machine *machine;
    const char *distribution; /* "osg", "egi", "default" or "none" */
    bool native;              /* with the client of this project: only a configuration is needed */
    bool sing;                /* for singcvmfs */
};

struct plan_package {
    const char *name;   /* "cvmfs-libs": constant */
    const char *source; /* of the table: "cvmfs"; constant */
    bool of_version;    /* must have the version of the client; else the newest is taken */
};

#define PLAN_PACKAGES_MAX 8

struct plan {
    struct plan_package packages[PLAN_PACKAGES_MAX]; /* in the order of unpacking */
    size_t count;
};

/* The source whose newest package "cvmfs" decides the version of the client when nobody asked for
 * one; NULL where no client is downloaded. */
const char *plan_version_source(const struct plan_request *request);

/* The packages for a client of `version` ("2.13.3"; unused where none is downloaded). 0; -ENOTSUP
 * with words when the distribution is not made for this machine type, by the table; -EINVAL for a
 * version that is no version. */
int plan_make(const struct plan_request *request, const struct source_table *table,
              const char *version, struct plan *plan, struct error *error);

#endif
