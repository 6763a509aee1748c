/* The process in a container that the container program takes for the client: it starts the client
 * and stays in front of it. The container ends as soon as that program has seen the end of what it
 * started, and with it everything that is still at work; so this one waits for all of it. */
#ifndef CVMFSEXEC_CONTAINER_KEEPER_H
#define CVMFSEXEC_CONTAINER_KEEPER_H

#include "payload/base/error.h"
#include "payload/launch/paths.h"

struct keeper_plan {
    const struct paths *paths;
    const char *fqrn;
    const char *const *words; /* arguments of the client, which end on NULL */
    const char *run;          /* a directory that all keepers of the container have */
    const char *log;          /* the client's log file, or "" */
    int device;               /* the one descriptor that is the client's, -1 when not known */
};

/* Runs the client until it ends: with -f, that is when a signal ends it, which is passed on,
 * and followed by SIGKILL when it does not help; without, when it has gone into the background.
 * Says on standard error why it failed, if it did. The exit status, or a negative errno when it
 * could not be started. Closes all descriptors. */
int keeper_run(const struct keeper_plan *plan, struct error *error);

#endif
