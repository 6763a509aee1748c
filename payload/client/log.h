/* The client's log: CVMFS_USYSLOG in the official format, or syslog, or the terminal before either
 * is known (cvmfs-format.md 10.11). One per process. */
#ifndef CVMFSEXEC_CLIENT_LOG_H
#define CVMFSEXEC_CLIENT_LOG_H

#include <syslog.h>

#include "payload/base/error.h"
#include "payload/base/text.h"

struct log_options {
    const char *fqrn;
    const char *file;    /* CVMFS_USYSLOG, or NULL for syslog */
    const char *debug;   /* CVMFS_DEBUGLOG, or NULL: no debug lines */
    const char *prefix;  /* CVMFS_SYSLOG_PREFIX, or NULL */
    int syslog_facility; /* LOG_USER, LOG_LOCAL0... */
    int syslog_level;    /* CVMFS_SYSLOG_LEVEL: 1, 2 or 3 for DEBUG, INFO or NOTICE, to which normal
                            messages are mapped; errors and warnings keep theirs. 0 means 3. */
};

/* Opens the files (mode 0600), and makes the empty FILE.1 that a full FILE will be copied to.
 * Nothing is opened for syslog before the first message. Called again, it replaces what was opened
 * before. 0 or a negative errno. */
int log_open(const struct log_options *options, struct error *error);

/* One message, without a newline, at syslog's level (LOG_ERR, LOG_WARNING, LOG_NOTICE, ...). May be
 * called by any thread, and before log_open (then only log_buffer shows it). Leaves errno alone. */
void log_message(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Debug lines, of a module ("cache", "download", ...); nothing unless a debug log is open. */
void log_debug(const char *module, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the last ten messages as user.logbuffer shows them. 0 or -ENOMEM. */
int log_buffer(struct text *text);

#endif
