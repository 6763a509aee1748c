/* cvmfsexec --check: what this node allows, for the people who look after it. */
#ifndef CVMFSEXEC_LAUNCH_CHECK_H
#define CVMFSEXEC_LAUNCH_CHECK_H

#include "payload/base/text.h"
#include "payload/launch/caller.h"
#include "payload/launch/mode.h"
#include "payload/launch/paths.h"

/* Tries everything a job needs, and appends to `report` a line for each, behind it what is missing
 * and the command that provides it, and a last line with the result. Nothing stays of it.
 * `demanded` as by mode_read(). 1 when a job could run, 0 when not, or -ENOMEM. */
int check_run(const struct paths *paths, const struct caller *caller, enum mode_number demanded,
              struct text *report);

#endif
