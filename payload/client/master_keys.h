/* The public master keys that whitelists are signed with: which files, and what is in them
 * (cvmfs-format.md 3.2, 8.4). */
#ifndef CVMFSEXEC_CLIENT_MASTER_KEYS_H
#define CVMFSEXEC_CLIENT_MASTER_KEYS_H

#include <stddef.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/client/signature.h"
#include "payload/config/parameters.h"

struct master_keys {
    struct text pem; /* all public keys, one PEM block after the other */
};

#define MASTER_KEYS_INIT \
    {                    \
        .pem = TEXT_INIT \
    }

/* Reads the files of CVMFS_PUBLIC_KEY, else all *.pub of CVMFS_KEYS_DIR or /etc/cvmfs/keys, without
 * decoding them yet. A file that cannot be read or holds no public key is a failure (the client's
 * exit status 15); a directory that is not there is none. 0 or a negative errno. */
int master_keys_load(const struct parameters *parameters, struct master_keys *keys,
                     struct error *error);
void master_keys_free(struct master_keys *keys);

/* signature_check_plain with one key after the other: 0 when one of them fits. */
int master_keys_check(const struct master_keys *keys, const void *text, size_t length,
                      const struct signature *signature);

#endif
