/* The directory of the host in which the file systems of one run are mounted ("mode 2").
 *
 * Each run has its own, so that runs never meet. It is locked as long as a process of the run that
 * could tidy up lives; one that is not locked is what a killed run left, and the next run removes
 * it. The lock is that of flock(2) on a directory, which holds on one node: the name of the node is
 * therefore part of the directory's name. */
#ifndef CVMFSEXEC_LAUNCH_RUN_DIRECTORY_H
#define CVMFSEXEC_LAUNCH_RUN_DIRECTORY_H

#include "payload/base/error.h"
#include "payload/launch/paths.h"

struct run_directory {
    int parent;    /* descriptor of the directory that it is in */
    int directory; /* its own, which holds the lock */
    char *name;    /* in the parent */
};

#define RUN_DIRECTORY_INIT                          \
    {                                               \
        .parent = -1, .directory = -1, .name = NULL \
    }

/* Makes and locks a new one: beside the dist tree, or in /tmp when that cannot be written to. 0 or
 * a negative errno. */
int run_directory_make(const struct paths *paths, struct run_directory *run, struct error *error);

/* Unmounts everything in it, whoever still uses it, and removes it. Changes the working directory.
 * 0 or a negative errno: something stays, for the next run. */
int run_directory_remove(const struct run_directory *run);

/* Removes what killed runs of this user left in both places. Changes the working directory. What
 * cannot be removed stays. */
void run_directory_remove_stale(const struct paths *paths);

void run_directory_free(struct run_directory *run);

#define auto_run_directory __attribute__((cleanup(run_directory_free)))

#endif
