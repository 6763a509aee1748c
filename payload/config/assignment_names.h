/* Which parameters a configuration file names. */
#ifndef CVMFSEXEC_CONFIG_ASSIGNMENT_NAMES_H
#define CVMFSEXEC_CONFIG_ASSIGNMENT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* One line of a file that looks like an assignment. */
struct assignment_line {
    const char *name; /* slices of the text */
    size_t name_length;
    const char
        *value; /* behind the "=", up to the comment or the end of the line, without blanks */
    size_t value_length;
};

/* Finds the next line from *at on whose text is an assignment by the rule of cvmfs-format 8.2:
 * without what follows the first #, without blanks around it and one leading "readonly ", "export "
 * or "eval ", it has a name before the first "=". Whether it would be evaluated does not matter.
 * Moves *at behind it; false at the end of the text. */
bool assignment_next(const char *text, size_t length, size_t *at, struct assignment_line *line);

#endif
