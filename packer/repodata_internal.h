/* What loading (repodata.c) and asking (repodata_query.c) share, and nobody else sees. */
#ifndef CVMFSEXEC_PACKER_REPODATA_INTERNAL_H
#define CVMFSEXEC_PACKER_REPODATA_INTERNAL_H

#include <solv/pool.h>
#include <solv/repo.h>

#include "packer/repodata.h"
#include "payload/base/strings.h"

/* A repository that was loaded; the data of its libsolv Repo. */
struct loaded_repository {
    char *name;
    struct strings bases;
};

/* A package that was asked for. Its strings are copies, because libsolv's own move. */
struct known_package {
    struct repodata_package package;
    struct text strings; /* all of them, NULs between */
};

struct repodata {
    Pool *pool;
    char *architecture;
    struct loaded_repository **repositories;
    size_t repository_count;
    struct known_package **known; /* by the id of the solvable; NULL for those never asked for */
    size_t known_count;
};

/* Where a package is, escaped for a URL and appended to `location`, and its checksum. -EINVAL for
 * one that is outside of its repository or whose checksum nobody can believe; -ENOMEM. */
int repodata_locate(const struct repodata *repodata, Id id, struct text *location,
                    struct checksum *checksum);

void known_package_free(struct known_package *known); /* NULL is allowed */

#endif
