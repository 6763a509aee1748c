/* What needs a process of its own: programs, pipelines, subshells, $(...). */
#ifndef CVMFSEXEC_CONFIG_SHELL_PROCESS_H
#define CVMFSEXEC_CONFIG_SHELL_PROCESS_H

#include "payload/config/shell_expand.h"
#include "payload/config/shell_state.h"

/* Appends the output of a program text of the arena, without the newlines at its end, marked as a
 * value. 0 or a failure; the status is in the shell. */
int shell_substitute(struct shell *shell, const char *text, size_t length, unsigned mark,
                     struct expansion *expansion);

/* ( list ). 0 or a failure. */
int shell_subshell(struct shell *shell, struct node *list);

/* first | second | ...: the members by `next`. 0 or a failure. */
int shell_pipeline(struct shell *shell, struct node *first);

/* Runs a program found in PATH; status 127 when there is none, 126 when it cannot be executed.
 * 0 or a failure. */
int shell_execute(struct shell *shell, struct strings *arguments);

/* Appends the path of the program of that name; -ENOENT when PATH has none. */
int shell_find_program(const struct shell *shell, const char *name, struct text *path);

#endif
