/* A named or dated snapshot of a repository, by its tag database (cvmfs-format.md 7). */
#ifndef CVMFSEXEC_CLIENT_SNAPSHOT_H
#define CVMFSEXEC_CLIENT_SNAPSHOT_H

#include "payload/base/error.h"
#include "payload/client/hash.h"
#include "payload/client/manifest_fetch.h"

/* The root catalog of `tag`, or where that is NULL, of the newest revision at `date` (the text of
 * CVMFS_REPOSITORY_DATE). The manifest is fetched and verified in full, so this needs a server. On
 * failure the message is in the official words, for exit status 22. 0 or a negative errno. */
int snapshot_find(const struct manifest_source *source, const char *tag, const char *date,
                  struct hash *catalog, struct error *error);

#endif
