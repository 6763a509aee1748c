/* What a client that is being started says, and what is said of it when it cannot.
 *
 * Its standard error is a file in memory. The launcher's part of the new process begins that file
 * with what the other end has to know; the client's own words are behind it. */
#ifndef CVMFSEXEC_LAUNCH_CLIENT_WORDS_H
#define CVMFSEXEC_LAUNCH_CLIENT_WORDS_H

#include "payload/base/text.h"

/* What is known before the client is executed. Each may be empty; none has a newline. */
struct client_facts {
    const char *log;     /* the file it logs to */
    const char *no_log;  /* or why there is none */
    const char *problem; /* what is wrong with its configuration, though it can be started */
};

/* In the new process: begins the file, which has nothing in it yet. Looks how long the log is now.
 * 0 or a negative errno. */
int client_words_begin(int words, const struct client_facts *facts);

/* Appends lines: when `wait_status` (as waitpid(2) gives it) is a failure, that `fqrn` could not be
 * mounted, what the client said and what it has added to its log since; in any case a problem with
 * its configuration. A file that was not begun holds the launcher's own words. */
void client_words_report(int words, const char *fqrn, int wait_status, struct text *report);

/* The same for a client that was not waited for. */
void client_words_report_unfinished(int words, const char *fqrn, struct text *report);

#endif
