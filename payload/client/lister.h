/* A thread that lists directories, in order to make the kernel ask for all of their entries. */
#ifndef CVMFSEXEC_CLIENT_LISTER_H
#define CVMFSEXEC_CLIENT_LISTER_H

#include <stddef.h>

struct lister;

/* Starts the thread. It shares no descriptor with the process: were it killed while it waits for
 * an answer of this very process, nobody else would close /dev/fuse and so end its wait.
 * 0 or a negative errno. */
int lister_start(struct lister **lister);

/* Lists up to about `most` entries of the directory `path`; returns when done. One caller at a
 * time. What cannot be listed is passed over. */
void lister_run(struct lister *lister, const char *path, size_t most);

/* Ends the thread and frees all. */
void lister_stop(struct lister *lister);

#endif
