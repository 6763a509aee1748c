/* The namespaces a job runs in: which sets of them there are to try, entering one, settling there.
 */
#ifndef CVMFSEXEC_LAUNCH_NAMESPACE_H
#define CVMFSEXEC_LAUNCH_NAMESPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "payload/base/error.h"

/* One set of namespaces. Those wanted most come first; what a system allows is found by trying. */
struct namespace_set {
    bool user; /* without: only for a caller that may mount in the initial namespace, root */
    bool pid;  /* without: where /proc is masked, as in most containers */
};

extern const struct namespace_set namespace_sets[];
extern const size_t namespace_set_count;

/* A child in new namespaces: its pid, 0 in the child, or a negative errno. */
pid_t namespace_clone(const struct namespace_set *set);

/* In the child, first of all: maps `uid` and `gid` to themselves, lets no mount out to the host
 * (mounts of the host still come in: home directories mounted on demand), mounts a /proc that
 * shows the new pid namespace. -EAGAIN when that /proc is refused: the child must end, and the next
 * set be tried. 0 or another negative errno. */
int namespace_settle(const struct namespace_set *set, uid_t uid, gid_t gid, struct error *error);

#endif
