/* How makedist ends: exit codes, which callers rely on, and the words that go with them. */
#ifndef CVMFSEXEC_PACKER_STATUS_H
#define CVMFSEXEC_PACKER_STATUS_H

#include "payload/base/error.h"

/* Compatibility, "Commands". */
enum status { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

/* Says what went wrong; STATUS_FAILED. */
enum status status_failed(const struct error *error);

/* Says what is wrong with the command line, and how to find the right one; STATUS_USAGE. */
enum status status_usage(const struct error *error);

/* Prints to standard output what was asked for. STATUS_DONE or STATUS_FAILED. */
enum status status_print(const char *words);

#endif
