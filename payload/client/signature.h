/* The two kinds of RSA signature (PKCS#1 v1.5) that CernVM-FS knows, checked with a public key.
 *
 * Both take the padding off and compare what is inside, instead of asking the library for a verdict
 * on "SHA-1 with RSA", which the security level of a host may forbid. */
#ifndef CVMFSEXEC_CLIENT_SIGNATURE_H
#define CVMFSEXEC_CLIENT_SIGNATURE_H

#include <openssl/types.h>
#include <stddef.h>

struct signature {
    const void *bytes;
    size_t length;
};

/* Of a whitelist: the block holds the text itself (cvmfs-format.md 3.2).
 * 0, -EBADMSG for anything but a signature of this text by this key, or -ENOMEM. */
int signature_check_plain(EVP_PKEY *key, const void *text, size_t length,
                          const struct signature *signature);

/* Of a manifest: the block holds a DigestInfo with the SHA-1 of the text (cvmfs-format.md 2.2).
 * Results likewise. */
int signature_check_sha1(EVP_PKEY *key, const void *text, size_t length,
                         const struct signature *signature);

#endif
