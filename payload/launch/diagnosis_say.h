/* How every diagnosis is worded. */
#ifndef CVMFSEXEC_LAUNCH_DIAGNOSIS_SAY_H
#define CVMFSEXEC_LAUNCH_DIAGNOSIS_SAY_H

#include "payload/base/error.h"

/* "WHAT: the system's text for `code`: words", the command at their end. Returns `code`. */
int diagnosis_say(struct error *error, int code, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
