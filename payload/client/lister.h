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

/* Lists up to about `most` entries of the directory `path`, so that the kernel knows them; returns
 * when done. What cannot be listed is passed over. One caller at a time, here and below. */
void lister_list(struct lister *lister, const char *path, size_t most);

/* Has the kernel read the first `length` bytes of files in the directory `path`: `names` holds
 * names, each with its NUL. Returns when the kernel has begun with all of them. */
void lister_read_ahead(struct lister *lister, const char *path, const struct text *names,
                       size_t length);

/* Ends the thread and frees all; NULL is allowed. */
void lister_stop(struct lister *lister);

#endif
