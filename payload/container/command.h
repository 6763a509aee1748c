/* The command line and environment for the container program. */
#ifndef CVMFSEXEC_CONTAINER_COMMAND_H
#define CVMFSEXEC_CONTAINER_COMMAND_H

#include "payload/base/error.h"
#include "payload/base/strings.h"
#include "payload/base/text.h"
#include "payload/container/arguments.h"
#include "payload/container/runtime.h"
#include "payload/container/settings.h"
#include "payload/launch/paths.h"

struct container_plan {
    const struct paths *paths;
    const struct settings *settings;
    const struct arguments *arguments;
    const struct runtime *runtime;
};

struct container_command {
    struct strings words;     /* of the command line, its program first */
    struct strings variables; /* NAME=VALUE: to be put into the environment */
};

#define CONTAINER_COMMAND_INIT                           \
    {                                                    \
        .words = STRINGS_INIT, .variables = STRINGS_INIT \
    }

/* Puts the command together. 0; -ENOTSUP, with words, for what this version of the container
 * program cannot do; -EINVAL for a path that cannot be said; or another negative errno. */
int container_command_make(const struct container_plan *plan, struct container_command *command,
                           struct error *error);

/* Appends it as a line for a shell. 0 or -ENOMEM. */
int container_command_print(const struct container_command *command, struct text *line);

/* Becomes the container program; returns only when that fails: a negative errno. */
int container_command_execute(const struct container_command *command, struct error *error);

void container_command_free(struct container_command *command);

#define auto_container_command __attribute__((cleanup(container_command_free)))

#endif
