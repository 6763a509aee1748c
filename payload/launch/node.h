/* What this node allows. Each question is answered by doing what the launcher does, in a child
 * process that takes everything with it when it ends: nothing stays, and each takes a bounded time.
 * They do not depend on each other. All return 0 for yes, or a negative errno with the missing
 * piece and the command that provides it in `error`.
 *
 * The signals of the caller must not be ignored or handled in ways that keep waitpid(2) from
 * working (caller_remember). */
#ifndef CVMFSEXEC_LAUNCH_NODE_H
#define CVMFSEXEC_LAUNCH_NODE_H

#include "payload/base/error.h"
#include "payload/launch/caller.h"
#include "payload/launch/mode.h"
#include "payload/launch/namespace.h"
#include "payload/launch/paths.h"

/* Can these namespaces be made and settled in? With a pid namespace: -EAGAIN when only its /proc is
 * refused. */
int node_namespaces(const struct namespace_set *set, const struct caller *caller,
                    struct error *error);

/* Can a repository be mounted for a job in this mode, MODE_INSIDE or MODE_OUTSIDE? In the
 * namespaces that a run would take, which must be some (node_namespaces). -EIO for no. */
int node_mode(enum mode_number number, const struct paths *paths, const struct caller *caller,
              struct error *error);

/* Can fusermount3 or fusermount mount FUSE outside of any namespace, in `directory`? It is made if
 * it is missing, and stays only if it was there. */
int node_fusermount(const char *directory, struct error *error);

#endif
