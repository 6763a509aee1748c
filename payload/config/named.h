/* Searching a table of things that are sorted by their names. */
#ifndef CVMFSEXEC_CONFIG_NAMED_H
#define CVMFSEXEC_CONFIG_NAMED_H

#include <stdbool.h>
#include <stddef.h>

/* Where `name` is in `count` items of `size` bytes each, or where it would be put. Every item is a
 * structure whose first member is its name, a `char *`; names ascend bytewise, each is there once.
 */
size_t named_place(const void *items, size_t count, size_t size, const char *name, bool *found);

#endif
