/* The client program that serves one repository: how it is started, and what it says when it
 * cannot. Command line and exit codes: cvmfs-format 10.8. */
#ifndef CVMFSEXEC_LAUNCH_CLIENT_H
#define CVMFSEXEC_LAUNCH_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/launch/caller.h"
#include "payload/launch/mode.h"
#include "payload/launch/paths.h"

/* How the name of a flat configuration file ends; it begins with a dot. */
#define CLIENT_CONFIGURATION_SUFFIX ".conf"

/* What to start. All strings must outlive the start only. */
struct client_plan {
    const struct paths *paths;
    const struct caller *caller;
    const char *fqrn;
    const char *repositories;  /* the directory of mount points: "/cvmfs" or "<dist>/cvmfs" */
    const char *configuration; /* the directory for the flat configuration file, which must not have
                                  a ':' or ',' in its path unless it is the working directory "." */
    const struct mode *mode;   /* how it is mounted */
};

/* A client that was started and has not reported yet. */
struct client_run {
    pid_t pid;           /* its first process: ends with 0 when the repository is served */
    int words;           /* what it says on its standard error; owned */
    char *configuration; /* the flat configuration file, to be removed afterwards; owned */
};

#define CLIENT_RUN_INIT                               \
    {                                                 \
        .pid = -1, .words = -1, .configuration = NULL \
    }

/* Starts a client, in a new process that evaluates the configuration, mounts, and becomes the
 * client: whatever of this is slow or fails, is so there. 0 or a negative errno. */
int client_start(const struct client_plan *plan, struct client_run *run, struct error *error);

/* To be called once with the status that waitpid(2) gave for `run->pid`. Removes the
 * configuration file and releases `run`. Returns the exit code: 0 when the repository is served;
 * else the client's own (128+N when signal N ended it). `report` is told, in lines, why a mount
 * failed: what the client said and what it has added to its log; and with any code what is wrong
 * with the configuration though it could be evaluated. */
int client_finish(const struct client_plan *plan, struct client_run *run, int wait_status,
                  struct text *report);

/* The same for a client that nobody is going to wait for: says how far it came. Ends no process. */
void client_give_up(const struct client_plan *plan, struct client_run *run, struct text *report);

#endif
