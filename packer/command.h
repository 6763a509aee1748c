/* The command line of makedist. */
#ifndef CVMFSEXEC_PACKER_COMMAND_H
#define CVMFSEXEC_PACKER_COMMAND_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"

enum command_action {
    COMMAND_MAKE,         /* a tree from `source` */
    COMMAND_PACK,         /* the tree into `file` */
    COMMAND_INSPECT,      /* say what is in `file` */
    COMMAND_EXTRACT,      /* unpack `file` into `directory` */
    COMMAND_VERIFY,       /* see whether `file` is whole */
    COMMAND_HELP,         /* say how it is used */
    COMMAND_VERSION,      /* say the version of makedist */
    COMMAND_LIST_TYPES,   /* say which machine types there are */
    COMMAND_LIST_SOURCES, /* say the table of sources */
};

struct command {
    enum command_action action;
    bool sing;               /* -s */
    bool native;             /* -n */
    bool quiet;              /* -q */
    bool dry_run;            /* --dry-run: say what would be downloaded */
    bool without_closure;    /* --no-closure */
    bool require_signatures; /* --require-signatures */
    bool with_cache;         /* --with-cache */
    const char *machine;     /* -m, or NULL */
    const char *client;      /* -v: version of the official client, or NULL */
    const char *source;      /* osg, egi, default, none; NULL when nothing is made */
    const char *file;        /* -o, --inspect, --extract, --verify */
    const char *directory;   /* of --extract */
    const char *sources;     /* --sources: a table of the site's, or NULL */
    const char *cache;       /* --cache: directory for downloads, or NULL */
    const char *keys;        /* --keys: directory of OpenPGP keys, or NULL */
    struct strings exclude;  /* --exclude, in order */
    int level;               /* --level, 0: not given */
    unsigned threads;        /* --threads, 0: not given */
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
