/* Where things are in a container. The tree is in a place of its own, which no image has; the rest
 * is where an installed client has it, and where singularity's users expect it. */
#ifndef CVMFSEXEC_CONTAINER_LAYOUT_H
#define CVMFSEXEC_CONTAINER_LAYOUT_H

#define LAYOUT_HOME "/.singcvmfs"
#define LAYOUT_PROGRAM LAYOUT_HOME "/singcvmfs" /* this program, read-only */
#define LAYOUT_DIST LAYOUT_HOME "/dist"         /* the tree, read-only */
#define LAYOUT_SITE "/.singcvmfs.local" /* what stands for default.local and is not in dist */
#define LAYOUT_REPOSITORIES "/cvmfs"
#define LAYOUT_VAR "/var"
#define LAYOUT_CACHE "/var/lib/cvmfs"
#define LAYOUT_LOG "/var/log/cvmfs"
#define LAYOUT_RUN "/var/run/cvmfs" /* a scratch directory of this container's own */

/* How the program is called in a container to become a client:
 * singcvmfs LAYOUT_CLIENT FQRN DEVICE [-f] */
#define LAYOUT_CLIENT "--client"
#define LAYOUT_DEBUG_CLIENT "--debug-client"

#endif
