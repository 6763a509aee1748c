/* The packages of a directory listing, for servers that have no repodata: the HTML of Apache, nginx
 * and S3's websites, and the XML of S3's ListObjects.
 *
 * A package is known by its file name alone, NAME-VERSION-RELEASE.ARCHITECTURE.rpm; what
 * directories a link names is not followed, only held against the directory that was listed:
 * links that lead elsewhere are no packages of it. */
#ifndef CVMFSEXEC_PACKER_LISTING_H
#define CVMFSEXEC_PACKER_LISTING_H

#include <stddef.h>

#include "packer/download.h"
#include "payload/base/error.h"
#include "payload/base/strings.h"

/* Parts of a file name; all strings are the listing's. */
struct listing_package {
    char *file; /* "cvmfs-2.13.3-1.el9.x86_64.rpm" */
    char *name;
    char *version;
    char *release;
    char *architecture;
};

struct listing {
    struct listing_package *items;
    size_t count;
    size_t capacity;
};

#define LISTING_INIT                             \
    {                                            \
        .items = NULL, .count = 0, .capacity = 0 \
    }

void listing_free(struct listing *listing);
#define auto_listing __attribute__((cleanup(listing_free)))

/* Appends the packages of a page that came from `url`. 0; -EBADMSG for what is no markup at all;
 * -ENOMEM. A page without packages is no error. */
int listing_parse(const void *bytes, size_t length, const char *url, struct listing *listing,
                  struct error *error);

/* Loads and reads the listing of a directory, from the first of its mirrors that answers. As
 * download_text and listing_parse. */
int listing_load(struct download_session *session, const char *const *urls, size_t url_count,
                 struct listing *listing, struct error *error);

/* The newest package by rpm's order, of the architecture or noarch; with `version` the newest of
 * that version. -ENOENT with words: that there is none of the name, or which versions there are.
 * What comes back is the listing's. */
int listing_find(const struct listing *listing, const char *name, const char *architecture,
                 const char *version, const struct listing_package **package, struct error *error);

/* Appends the versions, newest first, each once. 0 or -ENOMEM. */
int listing_versions(const struct listing *listing, const char *name, const char *architecture,
                     struct strings *versions);

/* Takes a file name apart: 0, -EINVAL for one that is no package's, or -ENOMEM. */
int listing_package_parse(const char *file, struct listing_package *package);
void listing_package_free(struct listing_package *package);

/* Appends URL/FILE, escaped, to `urls`. 0 or -ENOMEM. */
int listing_url(const char *directory, const struct listing_package *package, struct strings *urls);

#endif
