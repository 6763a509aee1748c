/* How many descriptors a part of the client may hold, where a process may have only few. */
#ifndef CVMFSEXEC_CLIENT_DESCRIPTOR_SHARE_H
#define CVMFSEXEC_CLIENT_DESCRIPTOR_SHARE_H

#include <stddef.h>

/* A sixteenth of what RLIMIT_NOFILE allows, but at most `most`, and at least 2. A thread that
 * serves counts as one: it has a pipe to splice through, the object that it reads or writes, and a
 * share in a connection. So with 64, the least that any shell sets, all parts together stay below
 * it. */
size_t descriptor_share(size_t most);

#endif
