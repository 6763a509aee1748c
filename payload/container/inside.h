/* In a container: becoming the client of a repository that the container program has mounted. */
#ifndef CVMFSEXEC_CONTAINER_INSIDE_H
#define CVMFSEXEC_CONTAINER_INSIDE_H

#include <stdbool.h>

#include "payload/base/error.h"

/* Whether the program was started to become a client, with these arguments of main: by the
 * container program, or by a client that wants to execute itself (client_program.h). */
bool inside_is_wanted(char *const *arguments);

/* Becomes or runs it (keeper.h). What is wrong with a configuration that can be used, and why a
 * client failed, is said on standard error. The exit status or a negative errno. */
int inside_run_client(char *const *arguments, struct error *error);

#endif
