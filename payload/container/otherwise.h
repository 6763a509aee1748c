/* What a node offers that has no program for containers. */
#ifndef CVMFSEXEC_CONTAINER_OTHERWISE_H
#define CVMFSEXEC_CONTAINER_OTHERWISE_H

#include "payload/base/error.h"
#include "payload/launch/paths.h"

/* Adds to the words of the refusal `code` that are in `error` whether cvmfsexec could do it here,
 * which is tried. Returns `code`. */
int otherwise_explain(const struct paths *paths, int code, struct error *error);

#endif
