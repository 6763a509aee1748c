/* The links of a directory listing, whatever its server calls one. */
#ifndef CVMFSEXEC_PACKER_LISTING_PAGE_H
#define CVMFSEXEC_PACKER_LISTING_PAGE_H

#include <stddef.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"

/* Appends the names of the files that a page links to and that lie in the directory that was
 * listed: decoded, without directories, queries and fragments, each once. `url` is where the page
 * came from: the directory, or an index.html of it. Links of other directories are left out; a path
 * may lead to the same directory from further up or further down (a server may show a bucket at its
 * root), hosts are not compared. 0; -EBADMSG for an incomplete page of S3, and for what is no text;
 * -ENOMEM.
 */
int listing_page_files(const void *bytes, size_t length, const char *url, struct strings *files,
                       struct error *error);

#endif
