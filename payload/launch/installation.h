/* What is beside the launcher, as far as a job needs it. Nothing is made or changed to find out,
 * and each question takes a bounded time. All return 0, or a negative errno with the missing piece
 * in `error`; `words` is told in either case what is known. */
#ifndef CVMFSEXEC_LAUNCH_INSTALLATION_H
#define CVMFSEXEC_LAUNCH_INSTALLATION_H

#include "payload/base/error.h"
#include "payload/base/text.h"
#include "payload/launch/caller.h"
#include "payload/launch/paths.h"

/* Does the client start? Its version, as it says itself. */
int installation_client(const struct paths *paths, const struct caller *caller, struct text *words,
                        struct error *error);

/* Can the cache be written to? Where it is, what is free there, what it is limited to. That of the
 * config repository, which is everybody's unless configured otherwise; where there is none, as it
 * is configured for all repositories. */
int installation_cache(const struct paths *paths, struct text *words, struct error *error);

/* Can logs be written? Where. */
int installation_log(const struct paths *paths, struct text *words, struct error *error);

/* Is the clock later than the tree? What it shows. What is signed is valid for a time only. */
int installation_clock(const struct paths *paths, struct text *words, struct error *error);

#endif
