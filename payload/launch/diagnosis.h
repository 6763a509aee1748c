/* Why a system refuses, in words for the person at the keyboard: which setting forbids it, and the
 * command that changes that. */
#ifndef CVMFSEXEC_LAUNCH_DIAGNOSIS_H
#define CVMFSEXEC_LAUNCH_DIAGNOSIS_H

#include "payload/base/error.h"

/* Explains why namespaces or mounts inside of them are refused with `code`, a negative errno;
 * `what` was being done. Returns `code`. */
int diagnosis_namespaces(int code, const char *what, struct error *error);

/* Explains why /dev/fuse cannot be opened. Returns `code`. */
int diagnosis_fuse_device(int code, struct error *error);

/* Explains why a FUSE mount is refused. Returns `code`. */
int diagnosis_fuse_mount(int code, const char *path, struct error *error);

#endif
