/* Names of repositories. */
#ifndef CVMFSEXEC_LAUNCH_FQRN_H
#define CVMFSEXEC_LAUNCH_FQRN_H

#include <stdbool.h>

/* A name that may become the name of a directory, a log file and a URL: letters, digits, '.', '-'
 * and '_', the first a letter or a digit, at most 200 characters. */
bool fqrn_is_valid(const char *fqrn);

#endif
