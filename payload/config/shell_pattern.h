/* Shell patterns: * ? [...] and backslash. Bytes, whatever the locale. */
#ifndef CVMFSEXEC_CONFIG_SHELL_PATTERN_H
#define CVMFSEXEC_CONFIG_SHELL_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/strings.h"

/* Does the whole of `length` bytes match? Time is bounded by the product of both lengths. */
bool pattern_match(const char *pattern, const char *bytes, size_t length);

/* Appends the sorted paths of existing files that match a pattern with slashes; a relative one is
 * looked up in `directory`. None, and no failure, when nothing matches; not all of them when that
 * would mean to look at more than PATTERN_VISITS names. Returns how many names were looked at, or
 * -ENOMEM. */
int pattern_paths(const char *directory, const char *pattern, struct strings *paths);

enum { PATTERN_VISITS = 100000 };

#endif
