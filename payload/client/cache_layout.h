/* Names in the cache directory (cvmfs-format.md 10.9): what the cache's own files share. */
#ifndef CVMFSEXEC_CLIENT_CACHE_LAYOUT_H
#define CVMFSEXEC_CLIENT_CACHE_LAYOUT_H

#include "payload/client/hash.h"

#define TRANSACTION_DIRECTORY "txn"
#define QUARANTINE_DIRECTORY "quarantaine" /* sic */
#define STRUCTURE_MARKER ".cvmfscache"

#define OBJECT_PATH_SIZE (HASH_TEXT_SIZE + 1)

/* "ab/cdef...": the text form with a slash behind its second digit. Returns `path`. */
char *object_path(const struct hash *hash, char path[OBJECT_PATH_SIZE]);

#endif
