/* The whitelist .cvmfswhitelist: which certificates may sign for a repository, until when
 * (cvmfs-format.md 3). */
#ifndef CVMFSEXEC_CLIENT_WHITELIST_H
#define CVMFSEXEC_CLIENT_WHITELIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"
#include "payload/client/certificate.h"
#include "payload/client/master_keys.h"
#include "payload/client/signed_text.h"

/* What can be wrong, with the numbers that log lines show (cvmfs-format.md 10.8). */
enum whitelist_failure {
    WHITELIST_GOOD = 0,
    WHITELIST_DOWNLOAD = 1,
    WHITELIST_EMPTY = 2,
    WHITELIST_MALFORMED = 3,
    WHITELIST_NAME = 4,
    WHITELIST_EXPIRED = 5,
    WHITELIST_SIGNATURE = 6,
    WHITELIST_NOT_LISTED = 13,
    WHITELIST_BLACKLISTED = 14,
};
const char *whitelist_failure_text(enum whitelist_failure failure);

/* Points into the bytes it was parsed from. */
struct whitelist {
    struct signed_text envelope;
    char expiry[15];  /* YYYYMMDDhhmmss, UTC */
    const char *fqrn; /* not terminated */
    size_t fqrn_length;
    bool pkcs7;               /* to be verified in ways that are not offered here: refused */
    bool ca_chain;            /* likewise */
    const char *fingerprints; /* lines */
    size_t fingerprints_length;
};

/* Takes the text apart. WHITELIST_GOOD, _EMPTY or _MALFORMED. */
enum whitelist_failure whitelist_parse(const void *bytes, size_t length,
                                       struct whitelist *whitelist);

/* Name, expiry at `now` (Unix time), digest and signature, in this order; `error` says more than
 * whitelist_failure_text does. */
enum whitelist_failure whitelist_check(const struct whitelist *whitelist, const char *fqrn,
                                       int64_t now, const struct master_keys *keys,
                                       struct error *error);

/* True when it lists a fingerprint of the certificate. Lines that are none are passed over. */
bool whitelist_lists(const struct whitelist *whitelist, const struct certificate *certificate);

#endif
