/* The commands that need no program. */
#ifndef CVMFSEXEC_CONFIG_SHELL_BUILTINS_H
#define CVMFSEXEC_CONFIG_SHELL_BUILTINS_H

#include "payload/config/shell_state.h"

struct builtin {
    const char *name;
    bool special;     /* assignments before it last (POSIX 2.14) */
    bool declaration; /* arguments like NAME=value are assignments: no fields, no patterns */
    /* 0 or a failure; the status is in the shell. `arguments` may be changed. */
    int (*run)(struct shell *shell, struct strings *arguments);
};

/* NULL when there is none of that name. */
const struct builtin *builtin_find(const char *name);

#endif
