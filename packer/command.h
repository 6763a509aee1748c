/* The command line of makedist. */
#ifndef CVMFSEXEC_PACKER_COMMAND_H
#define CVMFSEXEC_PACKER_COMMAND_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"

struct command {
    bool help;              /* say how it is used, and nothing else */
    bool version;           /* likewise the version of makedist */
    bool sing;              /* -s */
    bool native;            /* -n */
    bool quiet;             /* -q */
    const char *machine;    /* -m, or NULL */
    const char *client;     /* -v: version of the official client, or NULL */
    const char *source;     /* osg, egi, default, none; NULL when packing */
    const char *output;     /* -o; NULL when making a tree */
    struct strings exclude; /* --exclude, in order */
    int level;              /* --level, 0: not given */
    unsigned threads;       /* --threads, 0: not given */
};

#define COMMAND_INIT            \
    {                           \
        .exclude = STRINGS_INIT \
    }

/* Reads the command line, whose strings the result goes on using. Combinations that make no sense
 * are refused here; what the words mean is not looked at. 0, -EINVAL with words, or -ENOMEM. The
 * caller frees the command in any case. */
int command_read(int count, char **arguments, struct command *command, struct error *error);

void command_free(struct command *command);

#define auto_command __attribute__((cleanup(command_free)))

/* The text of --help: a screen of 80 columns and 24 lines. */
extern const char command_help[];

#endif
