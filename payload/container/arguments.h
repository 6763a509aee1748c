/* The command line of singcvmfs: our own options, then that of the container program. */
#ifndef CVMFSEXEC_CONTAINER_ARGUMENTS_H
#define CVMFSEXEC_CONTAINER_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/error.h"

enum container_action {
    CONTAINER_VERSION, /* -V: our own */
    CONTAINER_HELP,
    CONTAINER_PASS,  /* for the container program as it is: no new container comes of it */
    CONTAINER_JOIN,  /* for an instance that runs: what is mounted there was when it began */
    CONTAINER_MOUNT, /* a new container */
    CONTAINER_IMAGE  /* a command for $SINGCVMFS_IMAGE, or none */
};

/* All point into the arguments of main. */
struct arguments {
    enum container_action action;
    bool dry_run;
    char **global; /* the container program's global options, */
    size_t global_count;
    char **command; /* its command: "exec"; "instance" "start"; none with CONTAINER_IMAGE, */
    size_t command_count;
    char **rest; /* and what is behind it, which ends on NULL */
};

extern const char arguments_usage[];

/* Takes the arguments of main apart. 0 or -EINVAL. */
int arguments_parse(struct arguments *parsed, char **arguments, struct error *error);

#endif
