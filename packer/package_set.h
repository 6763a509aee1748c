/* The packages of a tree, from their names to files that are there and checked. */
#ifndef CVMFSEXEC_PACKER_PACKAGE_SET_H
#define CVMFSEXEC_PACKER_PACKAGE_SET_H

#include <stddef.h>

#include "packer/download.h"
#include "packer/plan.h"
#include "packer/resolver.h"
#include "payload/base/error.h"
#include "payload/base/text.h"

struct package_set {
    struct resolved *resolved;
    struct download *downloads; /* as many; empty before package_set_download */
    size_t count;
};

#define PACKAGE_SET_INIT                                \
    {                                                   \
        .resolved = NULL, .downloads = NULL, .count = 0 \
    }

void package_set_free(struct package_set *set);
#define auto_package_set __attribute__((cleanup(package_set_free)))

/* Takes over what is in `resolved`. 0 or -ENOMEM. */
int package_set_add(struct package_set *set, struct resolved *resolved);

/* Finds all packages of a plan and adds them; those that must have the version of the client have
 * `version`. As resolver_find. */
int package_set_resolve(struct package_set *set, const struct plan *plan, const char *version,
                        struct resolver *resolver, struct error *error);

/* Downloads those from number `first` on. As download_all. */
int package_set_download(struct package_set *set, size_t first, struct download_session *session,
                         struct error *error);

/* Appends the first URL of each, a line for each. 0 or -ENOMEM. */
int package_set_urls(const struct package_set *set, struct text *text);

#endif
