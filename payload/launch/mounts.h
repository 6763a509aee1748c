/* The repositories under /cvmfs, for process 1: which are mounted or about to be, and who waits for
 * it. Never waits itself: it starts clients, and is told which children have ended. */
#ifndef CVMFSEXEC_LAUNCH_MOUNTS_H
#define CVMFSEXEC_LAUNCH_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/launch/caller.h"
#include "payload/launch/client.h"
#include "payload/launch/mode.h"
#include "payload/launch/paths.h"
#include "payload/launch/request.h"
#include "payload/launch/root.h"

struct mount_entry; /* one repository */

struct mounts {
    const struct paths *paths;
    const struct caller *caller;
    const struct mode *mode;
    struct root *root;
    struct mount_entry *first; /* in the order of mounting, latest first */
    size_t starting;           /* how many clients have not reported yet */
    int failure;               /* the exit code of the first that failed with nobody asking, or 0 */
    struct text report;        /* what those that nobody asked for had to say, each line once */
};

/* Begins to mount a repository; a name without a dot gets CVMFS_DEFAULT_DOMAIN. `reply` is answered
 * when that is done (and closed), or -1. A repository that is mounted already is done at once,
 * unless its client is gone: then it is mounted again for who asks. 0 or a negative errno; `reply`
 * belongs to the table in any case. */
int mounts_start(struct mounts *mounts, const char *name, int reply, struct error *error);

/* To be told of every child that has ended; one that is no client is passed over.
 * 0 or a negative errno. */
int mounts_child_ended(struct mounts *mounts, pid_t pid, int wait_status, struct error *error);

/* Unmounts one repository, or all for REQUEST_ALL, and answers. */
void mounts_answer_unmount(struct mounts *mounts, const struct request *request);

/* Adds to the report what is known of every client that has not reported yet; none of them will be
 * waited for any more. */
void mounts_give_up(struct mounts *mounts);

/* Unmounts all at once, whoever still uses them, the latest first; their clients end by themselves
 * then. Says whether there was any. */
bool mounts_end(struct mounts *mounts);

void mounts_free(struct mounts *mounts);

#endif
