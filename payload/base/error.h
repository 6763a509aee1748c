/* The one way to report a failure whose words matter.
 *
 * Functions return 0 (or a count) on success and a negative errno on failure. Those that take a
 * `struct error *` also leave a sentence there; callers put the circumstances in front of it on the
 * way up ("mounting atlas.cern.ch: loading manifest: ..."), and main prints it once. A NULL error
 * is allowed everywhere and discards the words. */
#ifndef CVMFSEXEC_BASE_ERROR_H
#define CVMFSEXEC_BASE_ERROR_H

#include <stdarg.h>

struct error {
    int code;           /* negative errno of the first failure, 0 when there is none */
    char message[1024]; /* one sentence, no newline; cut at the end when it grows too long */
};

#define ERROR_INIT {.code = 0, .message = ""}

/* Replaces what is in `error` by the given code and words; returns `code`, so that a failing
 * function can end on `return error_set(error, -EINVAL, "...")`. `code` is a negative errno. */
int error_set(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with ": " and the system's text for `code` behind the words. */
int error_system(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "WORDS: " in front of the message that is there; returns the code that is there. */
int error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
