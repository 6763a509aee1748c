/* Standard input, output and error of single commands. */
#ifndef CVMFSEXEC_CONFIG_SHELL_REDIRECT_H
#define CVMFSEXEC_CONFIG_SHELL_REDIRECT_H

#include "payload/config/shell_state.h"

/* What the descriptors of the shell were, and which ones were opened since. */
struct redirected {
    int before[3];
    int opened[3]; /* -1: none */
};

/* Applies the redirections of a command in their order. 0, or a failure of the shell. What cannot
 * be opened is a problem, status 1, and *usable false: the command must not run. In each case
 * redirect_end must follow. */
int redirect_begin(struct shell *shell, const struct redirection *list,
                   struct redirected *redirected, bool *usable);

/* Puts back what was before. */
void redirect_end(struct shell *shell, struct redirected *redirected);

/* The descriptor, moved out of the way of the standard ones and closed on exec; `fd` is closed.
 * A negative errno when that failed, or when `fd` was one. */
int descriptor_move_up(int fd);

#endif
