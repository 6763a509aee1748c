/* The metadata of package repositories: what packages they have, newest first by rpm's own order,
 * what these provide and require. By libsolv;
 * https://github.com/rpm-software-management/createrepo_c has the formats (repomd.xml, and
 * primary.xml in gz, xz or zst).
 *
 *     result = repodata_open("x86_64", &repodata, error);
 *     result = repodata_add(repodata, session, repositories, 2, error);
 *     result = repodata_find(repodata, "almalinux", "fuse3-libs", NULL, &package, error);
 *
 * Only packages of the architecture and noarch ones are seen; source packages, and packages whose
 * location leads out of their repository, are not there. */
#ifndef CVMFSEXEC_PACKER_REPODATA_H
#define CVMFSEXEC_PACKER_REPODATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packer/checksum.h"
#include "packer/download.h"
#include "payload/base/error.h"
#include "payload/base/strings.h"
#include "payload/base/text.h"

/* One repository: the same content at each of its mirrors. */
struct repodata_repository {
    const char *name;         /* for messages and queries; unique */
    const char *const *bases; /* URLs of the directory that holds repodata/ */
    size_t base_count;
    bool optional; /* one that has no repodata/repomd.xml (404) is passed over, see `loaded` */
    bool loaded;   /* out: its packages are there */
};

/* One package. The strings belong to the repodata and stay until it is closed. */
struct repodata_package {
    int id;                   /* for the other queries */
    const char *repository;   /* name */
    const char *name;         /* "cvmfs" */
    const char *evr;          /* "[epoch:]version-release" */
    const char *architecture; /* "x86_64" or "noarch" */
    const char *file;         /* "cvmfs-2.13.3-1.el9.x86_64.rpm": the last part of its location */
    const char *location;     /* below the base, escaped for a URL: "Packages/c/cvmfs-....rpm" */
    struct checksum checksum; /* of the file; always known */
    uint64_t size;            /* of the file; 0: unknown */
};

struct repodata_packages {
    struct repodata_package *items;
    size_t count;
    size_t capacity;
};

#define REPODATA_PACKAGES_INIT                   \
    {                                            \
        .items = NULL, .count = 0, .capacity = 0 \
    }

void repodata_packages_free(struct repodata_packages *packages);
#define auto_repodata_packages __attribute__((cleanup(repodata_packages_free)))

struct repodata;

/* `architecture` as uname -m has it. 0 or -ENOMEM. */
int repodata_open(const char *architecture, struct repodata **repodata, struct error *error);
void repodata_close(struct repodata *repodata); /* NULL is allowed */

/* Loads the metadata of all of them at once and adds their packages; may be called again with
 * further ones. Checked are size and checksum of primary, packed and unpacked. As download_all;
 * -EBADMSG also for metadata that is broken or says what cannot be. */
int repodata_add(struct repodata *repodata, struct download_session *session,
                 struct repodata_repository *repositories, size_t count, struct error *error);

/* The newest package of this name; with `version` ("2.13.3", without release), the newest of those
 * that have it. `repository` NULL: in all of them. -ENOENT with words: that there is none
 * of the name, or which versions there are. */
int repodata_find(const struct repodata *repodata, const char *repository, const char *name,
                  const char *version, struct repodata_package *package, struct error *error);

/* Appends the versions ("2.13.3", without epoch and release), newest first, each once. */
int repodata_versions(const struct repodata *repodata, const char *repository, const char *name,
                      struct strings *versions);

/* Appends the packages that provide a capability: a package name, "libssl.so.3()(64bit)",
 * "libc.so.6(GLIBC_2.34)(64bit)", or a file ("/usr/bin/fusermount3"; of the files, primary lists
 * those of /etc, of bin directories, and few others). One of each name, the newest of it. In the
 * order the repositories were loaded. 0 or -ENOMEM. */
int repodata_providers(const struct repodata *repodata, const char *capability,
                       struct repodata_packages *packages);

/* Appends what a package requires, as capabilities with their conditions
 * ("libfuse3.so.3()(64bit)", "glibc >= 2.34"), without those of rpm itself ("rpmlib(...)"). 0 or
 * -ENOMEM. */
int repodata_requires(const struct repodata *repodata, const struct repodata_package *package,
                      struct strings *capabilities);
/* As repodata_providers, for what repodata_requires gave: with its condition. */
int repodata_resolve(const struct repodata *repodata, const char *requirement,
                     struct repodata_packages *packages);

/* Appends the URLs of a package, one for each base of its repository. 0 or -ENOMEM. */
int repodata_urls(const struct repodata *repodata, const struct repodata_package *package,
                  struct strings *urls);

#endif
