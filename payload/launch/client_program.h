/* The client program of the dist tree: the official one, or our own. */
#ifndef CVMFSEXEC_LAUNCH_CLIENT_PROGRAM_H
#define CVMFSEXEC_LAUNCH_CLIENT_PROGRAM_H

#include <stdbool.h>

#include "payload/base/error.h"
#include "payload/launch/paths.h"

/* Becomes the client with these arguments, which end on NULL and do not begin with its name: with
 * the libraries of the dist tree, and by the loader that is there, if one is. Changes the
 * environment for it. Returns only when that fails: a negative errno. */
int client_program_execute(const struct paths *paths, const char *const *arguments,
                           struct error *error);

/* Whether a starter (paths.h) was executed, with these arguments of main, by a client that wants to
 * execute itself ("__cachemgr__ ..."): no repository and no option of ours begins so. Then it has
 * to become the client with the same arguments and descriptors, before anything else. */
bool client_program_is_wanted(char *const *arguments);

#endif
