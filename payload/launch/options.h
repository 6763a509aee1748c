/* The command line of cvmfsexec. */
#ifndef CVMFSEXEC_LAUNCH_OPTIONS_H
#define CVMFSEXEC_LAUNCH_OPTIONS_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"

struct options {
    bool show_version;
    bool show_help;
    bool no_requests;            /* -N */
    struct strings repositories; /* each once, in their order */
    char **command;              /* the words behind "--", then NULL; part of the arguments */
};

#define OPTIONS_INIT                                                     \
    {                                                                    \
        .show_version = false, .show_help = false, .no_requests = false, \
        .repositories = STRINGS_INIT, .command = NULL                    \
    }

extern const char options_usage[];

/* Understands argv of main. After show_version or show_help nothing else is looked at. 0; -EINVAL
 * for what is not a valid command line; or another negative errno. */
int options_parse(struct options *options, char **arguments, struct error *error);

void options_free(struct options *options);

#define auto_options __attribute__((cleanup(options_free)))

#endif
