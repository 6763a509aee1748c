/* Variant symlinks: $(NAME) in a link text stands for a variable of the client's environment
 * (cvmfs-format.md 10.5). */
#ifndef CVMFSEXEC_CLIENT_VARIABLES_H
#define CVMFSEXEC_CLIENT_VARIABLES_H

#include <stddef.h>

#include "payload/base/text.h"

/* Appends `link` with every $(NAME) and $(NAME:-default) replaced by the value of the environment
 * variable; what only looks like one stays as it is. 0 or -ENOMEM. */
int variables_expand(const char *link, size_t length, struct text *target);

#endif
