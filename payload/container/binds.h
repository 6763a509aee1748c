/* What is to be shown in a container, and in which words that is said. There are two grammars: that
 * of -B and of the variables SINGULARITY_BINDPATH and APPTAINER_BINDPATH, which every version knows
 * and which gives commas, colons and blanks a meaning; and that of --mount, which takes any path.
 */
#ifndef CVMFSEXEC_CONTAINER_BINDS_H
#define CVMFSEXEC_CONTAINER_BINDS_H

#include <stdbool.h>

#include "payload/base/text.h"

struct bind {
    const char *source;      /* a file or directory of the host */
    const char *destination; /* in the container; plain: one of ours */
    bool read_only;
    const char *image_source; /* a directory in the image that `source` is, or NULL */
};

/* Whether -B can say it and mean it. */
bool bind_is_plain(const struct bind *bind);

/* Appends it for -B: "source:destination:ro". 0 or -ENOMEM. */
int bind_write(const struct bind *bind, struct text *words);

/* Appends it for --mount, which is a line of CSV (RFC 4180). 0; -EINVAL when a path has a newline;
 * -ENOMEM. */
int bind_write_mount(const struct bind *bind, struct text *words);

#endif
