/* A repository's signing certificate: a container of a public key, known by its fingerprint.
 * Dates, issuer and key usage mean nothing here (cvmfs-format.md 2.3): trust comes from the
 * whitelist alone. */
#ifndef CVMFSEXEC_CLIENT_CERTIFICATE_H
#define CVMFSEXEC_CLIENT_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/client/hash.h"
#include "payload/client/signature.h"

struct certificate;

/* From PEM text. 0, -EBADMSG for what is none, or -ENOMEM. */
int certificate_parse(const void *pem, size_t length, struct certificate **certificate);
void certificate_free(struct certificate *certificate); /* NULL is allowed */

/* A fingerprint as whitelists and blacklists write it: hex pairs with colons and, except for SHA-1,
 * the algorithm, up to a blank, a tab or a #. 0, or -EINVAL for a line that is none. */
int fingerprint_parse(const char *line, size_t length, struct hash *fingerprint);

/* True when it is this certificate's, in the fingerprint's own algorithm (cvmfs-format.md 4). */
bool certificate_matches(const struct certificate *certificate, const struct hash *fingerprint);

/* signature_check_sha1 with the certificate's key. */
int certificate_check(const struct certificate *certificate, const void *text, size_t length,
                      const struct signature *signature);

#endif
