/* The end of a log file. */
#ifndef CVMFSEXEC_LAUNCH_LOG_TAIL_H
#define CVMFSEXEC_LAUNCH_LOG_TAIL_H

#include <sys/types.h>

#include "payload/base/text.h"

/* Appends the last lines, at most `count`, of what was added to the file since it was `from` bytes
 * long; when it is shorter now it was begun anew. The last line gets a newline if it has none. Long
 * logs are looked at for at most 16 KiB. 0 or a negative errno. */
int log_tail(const char *path, off_t from, int count, struct text *lines);

#endif
