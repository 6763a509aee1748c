/* A thread that goes to the process's own mount, to make the kernel ask for what readers will want.
 *
 * It shares no descriptor with the process. If the process is killed while the thread waits for
 * one of its own answers, /dev/fuse is closed all the same, and that ends the wait; for the same
 * reason it only ever does what waits for nothing else but an answer. (FUSE_NOTIFY_STORE, which
 * would save the kernel's asking, can wait for a page that somebody else is reading, with
 * /dev/fuse in use: a kill at that moment leaves both hanging for ever.) */
#ifndef CVMFSEXEC_CLIENT_LISTER_H
#define CVMFSEXEC_CLIENT_LISTER_H

#include <stddef.h>

#include "payload/base/text.h"

struct lister;

/* Starts the thread. 0 or a negative errno. */
int lister_start(struct lister **lister);

/* Begins to list up to about `most` entries of the directory `path`, so that the kernel knows them,
 * when what was begun before is done. What cannot be listed is passed over. One caller at a time,
 * here and below. */
void lister_list(struct lister *lister, const char *path, size_t most);

/* Begins to have the kernel read the first `length` bytes of files in the directory `path`,
 * likewise: `names` holds names, each with its NUL; they are taken, and `names` is empty
 * afterwards. */
void lister_read_ahead(struct lister *lister, const char *path, struct text *names, size_t length);

/* Returns when what was begun last is done. */
void lister_wait(struct lister *lister);

/* Ends the thread and frees all; NULL is allowed. */
void lister_stop(struct lister *lister);

#endif
