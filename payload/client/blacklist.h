/* Blacklists: certificates and revisions that are refused whatever is signed
 * (cvmfs-format.md 3.4). */
#ifndef CVMFSEXEC_CLIENT_BLACKLIST_H
#define CVMFSEXEC_CLIENT_BLACKLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/base/text.h"
#include "payload/client/certificate.h"

struct blacklist {
    struct text lines; /* of all files */
};

#define BLACKLIST_INIT     \
    {                      \
        .lines = TEXT_INIT \
    }

/* Appends a file. One that is not there is none: 0 as well. Else a negative errno. */
int blacklist_load(struct blacklist *blacklist, const char *path);
void blacklist_free(struct blacklist *blacklist);

/* True when a fingerprint of the certificate is listed. */
bool blacklist_has_certificate(const struct blacklist *blacklist,
                               const struct certificate *certificate);

/* The lowest revision of the repository that is not refused: 0 where nothing is said. */
uint64_t blacklist_lowest_revision(const struct blacklist *blacklist, const char *fqrn);

#endif
