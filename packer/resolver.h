/* From the name of a package to the file that is to be downloaded: in the metadata of a source's
 * repository, in its listing where there is no metadata, or at the one place the table names. */
#ifndef CVMFSEXEC_PACKER_RESOLVER_H
#define CVMFSEXEC_PACKER_RESOLVER_H

#include <stddef.h>
#include <stdint.h>

#include "packer/checksum.h"
#include "packer/download.h"
#include "packer/machine.h"
#include "packer/repodata.h"
#include "packer/source.h"
#include "payload/base/error.h"
#include "payload/base/strings.h"

struct resolver;

/* A package that was found. */
struct resolved {
    char *label;              /* "cvmfs-2.13.3-1.el9.x86_64.rpm", for people */
    char *version;            /* "2.13.3"; NULL where a table names the file itself */
    struct strings urls;      /* the same file at each of its mirrors */
    struct strings keys;      /* files of keys, by the table: who may have signed it */
    struct checksum checksum; /* by the metadata; not known without */
    uint64_t size;            /* likewise; 0: unknown */
};

#define RESOLVED_INIT                                                               \
    {                                                                               \
        .label = NULL, .version = NULL, .urls = STRINGS_INIT, .keys = STRINGS_INIT, \
        .checksum = CHECKSUM_NONE, .size = 0                                        \
    }

void resolved_free(struct resolved *resolved);
#define auto_resolved __attribute__((cleanup(resolved_free)))

/* Table and session stay the caller's, and must outlive the resolver. 0 or -ENOMEM. */
int resolver_open(const struct source_table *table, const struct machine *machine,
                  struct download_session *session, struct resolver **resolver,
                  struct error *error);
void resolver_close(struct resolver *resolver); /* NULL is allowed */

/* Loads the metadata, or else the listings, of these sources, all that are not loaded yet at the
 * same time. 0; -ENOENT with words for a source the table does not have for this machine type; what
 * downloads and metadata give. */
int resolver_load(struct resolver *resolver, const char *const *sources, size_t count,
                  struct error *error);

/* Finds a package in a source, which is loaded when it is not; with `version` that one, else the
 * newest. Fills an empty `resolved`. 0; -ENOENT with words: no such package, or which
 * versions there are; as resolver_load. */
int resolver_find(struct resolver *resolver, const char *source, const char *package,
                  const char *version, struct resolved *resolved, struct error *error);

/* The same for a package of the metadata. 0 or -ENOMEM. */
int resolver_describe(struct resolver *resolver, const struct repodata_package *package,
                      struct resolved *resolved);

/* All metadata that was loaded: for questions about what packages provide. Owned by the
 * resolver. */
struct repodata *resolver_repodata(struct resolver *resolver);

#endif
