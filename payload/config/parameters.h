/* The configuration of one repository: named values and where each came from. */
#ifndef CVMFSEXEC_CONFIG_PARAMETERS_H
#define CVMFSEXEC_CONFIG_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/text.h"

struct parameter {
    char *name;
    char *value;  /* never NULL; may be empty, which differs from undefined (cvmfs-format 8.2) */
    char *origin; /* the file that named it last; "" when it is a default of ours */
};

/* Sorted by name, bytewise, each name once. */
struct parameters {
    struct parameter *items;
    size_t count;
    size_t capacity;
};

#define PARAMETERS_INIT                          \
    {                                            \
        .items = NULL, .count = 0, .capacity = 0 \
    }

/* Frees all and leaves an empty set. */
void parameters_free(struct parameters *parameters);

#define auto_parameters __attribute__((cleanup(parameters_free)))

/* Defines `name`, or replaces its value and origin. All three are copied; a NULL origin is "".
 * 0 or -ENOMEM. */
int parameters_set(struct parameters *parameters, const char *name, const char *value,
                   const char *origin);

/* The value, which belongs to the set, or NULL when the name is undefined. */
const char *parameters_get(const struct parameters *parameters, const char *name);

/* yes, on, 1, true are on; no, off, 0, false are off, in any case of letters. Everything else,
 * the empty and the undefined too, is neither, and means `fallback` (cvmfs-format 8.3). */
bool parameters_is_on(const struct parameters *parameters, const char *name, bool fallback);

/* The same of a value that is at hand; NULL is undefined. */
bool parameter_is_on(const char *value, bool fallback);

/* The leading decimal digits with their sign, as far as they fit; no digits are 0. `fallback` only
 * when the name is undefined. */
long long parameters_number(const struct parameters *parameters, const char *name,
                            long long fallback);

/* Appends one NAME='value' line per parameter. Any sh that evaluates them gets these values, and so
 * does a client that reads the lines by the rules of cvmfs-format 8.2, whose `echo` would make one
 * blank of every run of white space: it is one already. 0 or -ENOMEM. */
int parameters_format(const struct parameters *parameters, struct text *text);

/* Appends what `cvmfs2 -k` prints (cvmfs-format 8.3). 0 or -ENOMEM. */
int parameters_print(const struct parameters *parameters, struct text *text);

/* Cuts a list ("a;b", "a|b", "a:b") into its parts, without blanks around them; empty parts are
 * left out. The array ends on NULL and is one piece of memory with its strings: free() releases all
 * of it. `count` may be NULL. A NULL list is an empty one. NULL only when there is no memory. */
char **parameters_split(const char *list, char separator, size_t *count);

#endif
