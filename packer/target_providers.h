/* Which packages to take for what a tree lacks. */
#ifndef CVMFSEXEC_PACKER_TARGET_PROVIDERS_H
#define CVMFSEXEC_PACKER_TARGET_PROVIDERS_H

#include "packer/repodata.h"
#include "packer/target_lacks.h"
#include "payload/base/strings.h"
#include "payload/base/text.h"

/* Appends packages that have, by the metadata, all that any package has of it; those whose files
 * are in `except` are passed over. One after the other that has most of what is still lacking; of
 * equals the one whose repository was loaded first; then the one with the shortest name, for others
 * are variants of it (libcurl, libcurl-minimal); then by the alphabet. 0 or -ENOMEM. */
int target_providers_choose(const struct repodata *repodata, const struct target_lacks *lacks,
                            const struct strings *except, struct repodata_packages *chosen);

/* Appends a lack as rpm writes it, for 64-bit files of all machine types:
 * "libssl.so.3(OPENSSL_3.0.0)(64bit)", without a version "libssl.so.3()(64bit)". Source:
 * https://rpm-software-management.github.io/rpm/man/rpm-dependency-generators.7, elfdeps. 0 or
 * -ENOMEM. */
int target_capability(const char *library, const char *version, struct text *text);

#endif
