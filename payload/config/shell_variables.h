/* The variables of a shell: sorted by name, with their attributes. */
#ifndef CVMFSEXEC_CONFIG_SHELL_VARIABLES_H
#define CVMFSEXEC_CONFIG_SHELL_VARIABLES_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/strings.h"

struct variable {
    char *name;
    char *value; /* NULL: unset, with attributes */
    bool exported;
    bool readonly;
};

struct variables {
    struct variable *items;
    size_t count;
    size_t capacity;
};

/* What a variable was before `local` or a temporary assignment. */
struct saved_variable {
    struct variable variable;
    struct saved_variable *next;
};

/* NULL when there is none of that name. Valid until the next change of the set. */
struct variable *variables_find(const struct variables *variables, const char *name);

/* The variable, made unset and without attributes when it is missing; NULL without memory. */
struct variable *variables_obtain(struct variables *variables, const char *name);

/* Replaces the value. 0, -EPERM for a readonly one, -ENOMEM. */
int variables_set(struct variables *variables, const char *name, const char *value);

/* 0, or -EPERM for a readonly one. A missing one is unset already. */
int variables_unset(struct variables *variables, const char *name);

/* Appends "NAME=value" of all exported ones that are set. 0 or -ENOMEM. */
int variables_environment(const struct variables *variables, struct strings *environment);

/* Puts the present state of `name` in front of `list`; variables_restore brings all of a list back
 * and empties it. 0 or -ENOMEM. */
int variables_save(const struct variables *variables, const char *name,
                   struct saved_variable **list);
int variables_restore(struct variables *variables, struct saved_variable **list);

void variables_free(struct variables *variables);

#endif
