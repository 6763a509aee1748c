/* What both ends of the configuration, launcher and client, need: names of files, and the recording
 * of what they say. */
#ifndef CVMFSEXEC_CONFIG_CONFIGURATION_FILES_H
#define CVMFSEXEC_CONFIG_CONFIGURATION_FILES_H

#include "payload/base/error.h"
#include "payload/base/strings.h"
#include "payload/config/parameters.h"

/* Appends "DIRECTORY/default.d/X.conf" for all X, bytewise sorted; none when there is no such
 * directory. 0 or -ENOMEM. */
int configuration_default_files(const char *directory, struct strings *files);

/* Defines a parameter with @fqrn@ and @org@ replaced in its value. 0 or -ENOMEM. */
int configuration_record(struct parameters *parameters, const char *name, const char *value,
                         const char *origin, const char *fqrn);

/* Keeps the first of several problems. */
void problem_keep(struct error *first, const struct error *next);

#endif
