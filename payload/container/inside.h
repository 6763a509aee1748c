/* In a container: becoming the client of a repository that the container program has mounted. */
#ifndef CVMFSEXEC_CONTAINER_INSIDE_H
#define CVMFSEXEC_CONTAINER_INSIDE_H

#include <stdbool.h>

#include "payload/base/error.h"

/* Whether the program was started to become a client, with these arguments of main: by the
 * container program, or by a client that wants to execute itself (client_program.h). */
bool inside_is_wanted(char *const *arguments);

/* Becomes it. What is wrong with a configuration that can be used is said on standard error.
 * Returns only when that fails: a negative errno. */
int inside_become_client(char *const *arguments, struct error *error);

#endif
