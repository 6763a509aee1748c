/* What the programs and libraries of a tree need of each other, and do not find there. */
#ifndef CVMFSEXEC_PACKER_TARGET_LACKS_H
#define CVMFSEXEC_PACKER_TARGET_LACKS_H

#include <stdbool.h>
#include <stddef.h>

#include "packer/target_objects.h"
#include "payload/base/strings.h"
#include "payload/base/text.h"

/* A library that is not in the tree, or not with that version of its symbols. */
struct target_lack {
    const char *library; /* "libssl.so.3"; part of the objects, or constant */
    const char *version; /* "OPENSSL_3.0.0", or NULL: the library itself is missing */
    const char *user;    /* path of the first object that needs it */
    bool optional;       /* better to have, but nobody says so */
};

struct target_lacks {
    struct target_lack *items; /* each library and version once */
    size_t count;
};

#define TARGET_LACKS_INIT         \
    {                             \
        .items = NULL, .count = 0 \
    }

void target_lacks_free(struct target_lacks *lacks);
#define auto_target_lacks __attribute__((cleanup(target_lacks_free)))

/* Appends what the objects need and none of them is, as far as the loader would find it: along
 * DT_RPATH, in the library directories, along DT_RUNPATH (entries with $ORIGIN; others are no
 * places of the tree). Loaders, which programs name by their interpreter, must be in the first of
 * the library directories, and executable. Versions marked weak are not asked for, nor any of a
 * library that has none at all. `tree` is the directory of the objects. 0 or -ENOMEM. */
int target_lacks_find(const struct target_objects *objects, int tree, struct target_lacks *lacks);

/* Appends libgcc_s.so.1, optional, where the tree has a glibc but not that: glibc loads it to
 * cancel a thread, and no file names it. 0 or -ENOMEM. */
int target_lacks_add_unnamed(const struct target_objects *objects, int tree,
                             struct target_lacks *lacks);

/* Whether nothing is lacking, but for what is optional. */
bool target_lacks_are_optional(const struct target_lacks *lacks);

/* The object that programs of the tree get by this name, from its library directories, or NULL. */
const struct target_object *target_library(const struct target_objects *objects, int tree,
                                           const char *name);

/* Whether it is the loader of one of the objects. */
bool target_library_is_loader(const struct target_objects *objects, const char *name);

/* Appends the versions of its symbols that are needed by all who would find it in the library
 * directories. 0 or -ENOMEM. */
int target_library_versions(const struct target_objects *objects, int tree, const char *name,
                            struct strings *versions);

/* Whether a library has this version. One without any versions, as some systems build theirs, has
 * all that is asked of it: the loader sees it so. */
bool target_library_defines(const struct dynamic *library, const char *version);

/* Whether a system of this machine type has the library anyway: libc and its parts, and what every
 * installation needs. A rough table, for trees that bring no libraries of their own. */
bool target_system_has(const char *library);

/* Appends the lacks for people, a library once with its versions: "libssl.so.3 (OPENSSL_3.0.0,
 * needed by usr/bin/cvmfs2)", commas between them; at most `most` libraries, and how many more. 0
 * or -ENOMEM. */
int target_lacks_describe(const struct target_lacks *lacks, size_t most, struct text *text);

#endif
