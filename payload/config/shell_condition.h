/* What stands between [[ and ]] when it has neither && nor || nor parentheses. */
#ifndef CVMFSEXEC_CONFIG_SHELL_CONDITION_H
#define CVMFSEXEC_CONFIG_SHELL_CONDITION_H

#include "payload/config/shell_state.h"

/* Sets the status of the shell by one to three words, none of which is split or a pattern but the
 * one behind =, == and !=. 0 or a failure of the shell. */
int shell_condition(struct shell *shell, const struct word *words);

#endif
