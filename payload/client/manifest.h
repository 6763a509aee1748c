/* The manifest .cvmfspublished: what a repository is at this moment (cvmfs-format.md 2). */
#ifndef CVMFSEXEC_CLIENT_MANIFEST_H
#define CVMFSEXEC_CLIENT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/client/hash.h"

#define FQRN_SIZE 256 /* the longest name that is read, and a NUL */

struct manifest {
    struct hash catalog;
    uint64_t catalog_size; /* bytes, decompressed; 0 when the manifest does not say */
    uint64_t revision;
    uint64_t ttl;            /* seconds; the catalog's own counts */
    uint64_t timestamp;      /* Unix time of publication; 0 when the manifest does not say */
    bool alternative;        /* certificate and root catalog are under .cvmfsalt- names */
    char fqrn[FQRN_SIZE];    /* "" when absent */
    struct hash certificate; /* null when absent, like the next two */
    struct hash history;
    struct hash metainfo;
};

/* Reads the text part, up to a line "--" or the end; signatures are not looked at. -EINVAL when a
 * required line is missing, a number or a hash is none, or the manifest is of another path than the
 * repository's root. */
int manifest_parse(const void *bytes, size_t length, struct manifest *manifest,
                   struct error *error);

#endif
