/* What goes into a bundle: the list of names, in the order of the archive. */
#ifndef CVMFSEXEC_PACKER_INVENTORY_H
#define CVMFSEXEC_PACKER_INVENTORY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "packer/pack.h"
#include "payload/base/error.h"

struct inventory_entry {
    char *name;    /* in the archive; owned */
    char *path;    /* on disk; owned; NULL for a directory that is only the parent of an input */
    char *target;  /* of a symbolic link; owned; else NULL */
    mode_t mode;   /* type and permissions */
    uint64_t size; /* of a regular file, else 0 */
    int64_t mtime; /* seconds, never negative */
};

struct inventory {
    struct inventory_entry *entries;
    size_t count;
    size_t capacity;
    uint64_t tree_bytes; /* sum of the sizes */
};

#define INVENTORY_INIT                               \
    {                                                \
        .entries = NULL, .count = 0, .tree_bytes = 0 \
    }

/* Lists all inputs with everything below them, but what is excluded, and the parents of their
 * names; sorts it into the order of stub/bundle.h: directories, symbolic links, files. Hard links
 * are files of their own. Times are those of SOURCE_DATE_EPOCH where that is set. 0; -EINVAL for a
 * name that is unusable or there twice, for something that is neither file, directory nor symbolic
 * link, for a bad SOURCE_DATE_EPOCH; errors of reading. The caller frees the inventory in any case.
 */
int inventory_take(const struct pack_options *options, struct inventory *inventory,
                   struct error *error);

void inventory_free(struct inventory *inventory);

#define auto_inventory __attribute__((cleanup(inventory_free)))

#endif
