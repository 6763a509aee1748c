/* repomd.xml, the root of a package repository's metadata: where the list of packages is, and what
 * it has to be. */
#ifndef CVMFSEXEC_PACKER_REPOMD_H
#define CVMFSEXEC_PACKER_REPOMD_H

#include <stdint.h>

#include "packer/checksum.h"
#include "payload/base/error.h"
#include "payload/base/text.h"

struct repomd {
    struct text location;          /* of primary.xml, below the base of the repository, for a URL */
    struct checksum checksum;      /* of it; always known */
    struct checksum open_checksum; /* of it unpacked; known where the repository says it */
    uint64_t size;                 /* of it; 0: unknown */
};

#define REPOMD_INIT                  \
    {                                \
        .location = {.bytes = NULL } \
    }

/* Reads the file of a descriptor. 0; -EBADMSG, with words, for what is broken, has no primary, no
 * checksum of it that can be believed, or a location outside of the repository. */
int repomd_read(int fd, struct repomd *repomd, struct error *error);
void repomd_free(struct repomd *repomd);
#define auto_repomd __attribute__((cleanup(repomd_free)))

/* A path from metadata, escaped for a URL, appended to `escaped`. -EINVAL for one that would lead
 * out of the directory it is to be below: absolute, a URL, with "..", or with what no file name in
 * a repository has; -ENOMEM. */
int repomd_escape_location(const char *location, struct text *escaped);

#endif
