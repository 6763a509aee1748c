/* What a tree gathered while it was in use, moved on to the tree that replaces it. */
#ifndef CVMFSEXEC_STUB_CARRY_H
#define CVMFSEXEC_STUB_CARRY_H

#include <stdbool.h>

/* Whether the tree at descriptor `from` has anything of that kind: the cache, logs, mount points
 * (with what is mounted there) and sockets of running clients, or a link a site put in their place.
 */
bool carry_is_due(int from);

/* Moves all of it to the same places in the tree at `to`, on the same file system, where `to` has
 * nothing or an empty directory at that place. What cannot be moved stays: a cache is worth
 * having, and not worth failing for. */
void carry_over(int from, int to);

#endif
