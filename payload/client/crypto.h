/* The crypto library, set up for a program that starts often. */
#ifndef CVMFSEXEC_CLIENT_CRYPTO_H
#define CVMFSEXEC_CLIENT_CRYPTO_H

/* To be called before any other use of the crypto library; every later call does nothing. Keeps it
 * from reading openssl.cnf: that costs time, and a policy of the host (no SHA-1 signatures) must
 * not decide about repositories, whose signatures are what they are (cvmfs-format.md 2.2). */
void crypto_prepare(void);

#endif
