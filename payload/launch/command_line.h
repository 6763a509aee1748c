/* The command line of cvmfsexec. */
#ifndef CVMFSEXEC_LAUNCH_COMMAND_LINE_H
#define CVMFSEXEC_LAUNCH_COMMAND_LINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "payload/base/error.h"
#include "payload/base/strings.h"

/* What is asked for. */
enum command_line_action {
    ACTION_RUN,     /* a command in namespaces of its own */
    ACTION_VERSION, /* the version */
    ACTION_HELP,    /* the usage */
    ACTION_CHECK,   /* what this node allows */
    ACTION_SESSION, /* namespaces that stay */
    ACTION_JOIN,    /* a command in those */
    ACTION_END,     /* their end */
};

/* The strings belong to the arguments. */
struct command_line {
    enum command_line_action action;
    const char *session;         /* the name behind --session, --join or --end, or NULL */
    const char *image;           /* of a file system, or NULL */
    pid_t with_pid;              /* the process that a session ends with, or 0 */
    long idle_seconds;           /* how long a session stays without a command; 0: for ever; -1:
                                    not said */
    bool no_requests;            /* the command cannot mount or unmount */
    struct strings repositories; /* each once, in their order */
    char **command;              /* the words behind "--", then NULL; NULL when there is no "--" */
};

#define COMMAND_LINE_INIT                                                                        \
    {                                                                                            \
        .action = ACTION_RUN, .session = NULL, .image = NULL, .with_pid = 0, .idle_seconds = -1, \
        .no_requests = false, .repositories = STRINGS_INIT, .command = NULL                      \
    }

extern const char command_line_usage[];

/* Understands argv of main. After -v or -h nothing else is looked at. A name of a session is one
 * like that of a repository, of at most 64 characters. 0; -EINVAL for what is not a valid command
 * line; or another negative errno. */
int command_line_parse(struct command_line *line, char **arguments, struct error *error);

void command_line_free(struct command_line *line);

#define auto_command_line __attribute__((cleanup(command_line_free)))

#endif
