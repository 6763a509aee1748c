/* The command line of cvmfsexec. */
#ifndef CVMFSEXEC_LAUNCH_COMMAND_LINE_H
#define CVMFSEXEC_LAUNCH_COMMAND_LINE_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"

struct command_line {
    bool show_version;
    bool show_help;
    bool no_requests;            /* -N */
    struct strings repositories; /* each once, in their order */
    char **command;              /* the words behind "--", then NULL; part of the arguments */
};

#define COMMAND_LINE_INIT                                                \
    {                                                                    \
        .show_version = false, .show_help = false, .no_requests = false, \
        .repositories = STRINGS_INIT, .command = NULL                    \
    }

extern const char command_line_usage[];

/* Understands argv of main. After show_version or show_help nothing else is looked at. 0; -EINVAL
 * for what is not a valid command line; or another negative errno. */
int command_line_parse(struct command_line *line, char **arguments, struct error *error);

void command_line_free(struct command_line *line);

#define auto_command_line __attribute__((cleanup(command_line_free)))

#endif
