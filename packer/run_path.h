/* DT_RPATH and DT_RUNPATH: directories in which an ELF file wants its libraries looked for. The
 * rules are those of ld.so(8). */
#ifndef CVMFSEXEC_PACKER_RUN_PATH_H
#define CVMFSEXEC_PACKER_RUN_PATH_H

#include <stddef.h>

#include "payload/base/text.h"

/* Appends an entry of a run path, which stands in the file at `origin`, with $ORIGIN put in. Other
 * tokens ($LIB, $PLATFORM) have no meaning that is the same on all systems, and an entry that
 * begins with neither "/" nor a token depends on the directory somebody is in: nothing is appended
 * for them. 0 or -ENOMEM. */
int run_path_expand(const char *entry, size_t length, const char *origin, struct text *directory);

#endif
