/* The client's log: CVMFS_USYSLOG in the official format, or syslog, or the terminal before either
 * is known (cvmfs-format.md 10.11). One per process. */
#ifndef CVMFSEXEC_CLIENT_LOG_H
#define CVMFSEXEC_CLIENT_LOG_H

#include "payload/base/error.h"
#include "payload/base/text.h"

struct log_options {
    const char *fqrn;
    const char *file;    /* CVMFS_USYSLOG, or NULL for syslog */
    const char *debug;   /* CVMFS_DEBUGLOG, or NULL: no debug lines */
    const char *prefix;  /* CVMFS_SYSLOG_PREFIX, or NULL */
    int syslog_facility; /* LOG_USER, LOG_LOCAL0... */
};

int log_open(const struct log_options *options, struct error *error);

/* One message, without a newline, at syslog's level (LOG_ERR, LOG_WARNING, LOG_NOTICE, ...). May be
 * called by any thread, and before log_open (then nothing is written). */
void log_message(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Debug lines, of a module ("cache", "download", ...); nothing unless a debug log is open. */
void log_debug(const char *module, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last ten messages as user.logbuffer shows them. */
int log_buffer(struct text *text);

#endif
