/* Packages of rpm: whether they are what their makers made, and their files into a tree.
 *
 * Formats: https://rpm-software-management.github.io/rpm/manual/format_v4.html. Checked with
 * librpm, unpacked with libarchive. */
#ifndef CVMFSEXEC_PACKER_PACKAGE_H
#define CVMFSEXEC_PACKER_PACKAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packer/stage.h"
#include "payload/base/error.h"

/* OpenPGP keys whose signatures count. */
struct package_trust;

int package_trust_open(struct package_trust **trust, struct error *error);
void package_trust_close(struct package_trust *trust); /* NULL is allowed */

/* Adds the keys in a file, ASCII armoured or not; keys that are there already are no error. 0;
 * -EINVAL with words for a file that holds no key; -ENOMEM; what reading it gives. */
int package_trust_add_file(struct package_trust *trust, const char *path, struct error *error);

/* Adds those in all files of a directory, hidden ones left out. -ENOENT with words when there is
 * none. */
int package_trust_add_directory(struct package_trust *trust, const char *path, struct error *error);

enum package_signature {
    PACKAGE_UNSIGNED,    /* there is no signature */
    PACKAGE_KEY_UNKNOWN, /* there is one, by a key that is not among the trusted ones */
    PACKAGE_SIGNED,      /* by a trusted one */
};

/* Reads the whole package behind `fd`, wherever its offset stands, and checks the digests of header
 * and payload, and every signature whose key is there. 0 with `*signature`; -EBADMSG with words
 * that name `label` for what is no package, has no digests, or does not agree with a digest or a
 * signature; others from the system. */
int package_verify(int fd, const char *label, const struct package_trust *trust,
                   enum package_signature *signature, struct error *error);

struct package_unpacking {
    /* Which entries are wanted, by their paths in the tree ("usr/lib64/libc.so.6"); NULL: all. */
    bool (*wanted)(void *context, const char *path);
    void *wanted_context;
    uint64_t most_bytes; /* that the files may have in all; 0: 4 GB */
};

/* Unpacks into the stage of a tree. Nothing outside of the tree is written, whatever the package
 * says: refused, by name, are paths with "..", paths that lead through symbolic links, hard links
 * to what is not of this package, devices, and sizes beyond the limit. A tree is for everybody:
 * modes become 0755 or 0644, owners that of whoever runs this. What is there already is replaced,
 * but a directory is not. Left out: .build-id. Symbolic links are made as they are. 0; -EBADMSG
 * with words for a refused package; -EINTR when a signal asked to stop; others from the system,
 * such as -ENOSPC with the path. */
int package_unpack(int fd, const char *label, const struct stage *stage,
                   const struct package_unpacking *unpacking, struct error *error);

#endif
