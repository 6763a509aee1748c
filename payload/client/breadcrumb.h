/* The breadcrumb cvmfschecksum.<fqrn> in a cache directory (cvmfs-format.md 10.1): which root
 * catalog the cache knows last. What that means is the repository's. */
#ifndef CVMFSEXEC_CLIENT_BREADCRUMB_H
#define CVMFSEXEC_CLIENT_BREADCRUMB_H

#include <stddef.h>
#include <stdint.h>

#include "payload/client/hash.h"

#define BREADCRUMB_PREFIX "cvmfschecksum."

struct breadcrumb {
    struct hash catalog;
    uint64_t timestamp; /* 0 when the file does not say */
    uint64_t revision;  /* 0 when the file does not say */
    int64_t checked;    /* the file's modification time: when a server last confirmed it */
};

/* `directory` is a descriptor of the cache directory (cache_directory). 0, -ENOENT, -EINVAL for a
 * file that says something else, or another negative errno. */
int breadcrumb_load(int directory, const char *fqrn, struct breadcrumb *breadcrumb);
/* The same by the name of the file. */
int breadcrumb_read(int directory, const char *name, struct breadcrumb *breadcrumb);

/* Replaces the file, or where it says the same already, only sets its time to `checked`.
 * 0 or a negative errno. */
int breadcrumb_store(int directory, const char *fqrn, const struct breadcrumb *breadcrumb);

/* The text form, <hash>[T<timestamp>][R<revision>]; leaves `checked` alone. 0 or -EINVAL. */
int breadcrumb_parse(const char *text, size_t length, struct breadcrumb *breadcrumb);

#endif
