/* What is inside a bundle, read without unpacking it. */
#ifndef CVMFSEXEC_PACKER_CONTENTS_H
#define CVMFSEXEC_PACKER_CONTENTS_H

#include "payload/base/error.h"
#include "stub/bundle.h"
#include "stub/tar.h"

struct contents {
    int fd; /* the file, open for reading; -1: none */
    struct bundle bundle;
};

#define CONTENTS_INIT                   \
    {                                   \
        .fd = -1, .bundle = BUNDLE_INIT \
    }

/* Opens the file at `path` and reads its note. 0; what bundle_read gives, with words; errors of
 * opening. The caller closes it in any case. */
int contents_open(const char *path, struct contents *contents, struct error *error);

/* Holds the payload against the SHA-256 in the note. 0; -EBADMSG with words; errors of reading. */
int contents_check_digest(const struct contents *contents, struct error *error);

/* Called with each entry, whose `data` is not all of it for files longer than a frame. 0, or a
 * negative errno that ends the walk. */
typedef int contents_visit(void *context, const struct tar_entry *entry);

/* Decompresses every frame, which compares its checksum, and goes through all entries in the order
 * of the archive; `visit` may be NULL. 0; -EBADMSG with words that name the frame, for damage as
 * unpack_bundle finds it, but names are not held against each other; what `visit` gave, without
 * words; -ENOMEM; errors of reading. */
int contents_walk(const struct contents *contents, contents_visit *visit, void *context,
                  struct error *error);

void contents_close(struct contents *contents);

#define auto_contents __attribute__((cleanup(contents_close)))

#endif
