/* A thread that lists directories of the process's own mount, to make the kernel know what is in
 * them before anybody asks.
 *
 * It shares no descriptor with the process. If the process is killed while the thread waits for
 * one of its own answers, /dev/fuse is closed all the same, and that ends the wait; for the same
 * reason it only ever does what waits for nothing else but an answer. */
#ifndef CVMFSEXEC_CLIENT_LISTER_H
#define CVMFSEXEC_CLIENT_LISTER_H

#include <stdbool.h>
#include <stdint.h>

struct lister;

/* Starts the thread. 0 or a negative errno. */
int lister_start(struct lister **lister);

/* Has a part of the directory `path` listed, behind what was asked for before: from the offset
 * `from` (0: the beginning) on until an entry comes that is followed by the offset `until` or a
 * higher one. What cannot be listed is passed over. Returns a number to wait for. One caller at a
 * time, here and below. */
uint64_t lister_list(struct lister *lister, const char *path, int64_t from, int64_t until);

/* Returns when the listing of that number is done, one of the last four: whether the directory
 * could be opened. */
bool lister_wait(struct lister *lister, uint64_t number);

/* Ends the thread and frees all; NULL is allowed. */
void lister_stop(struct lister *lister);

#endif
