/* Why a system refuses, in words for the person at the keyboard: the one piece that is most
 * probably missing, and the command that provides it. Each function sets `error` and returns
 * `code`, the negative errno of what was refused. They are for after a refusal only. */
#ifndef CVMFSEXEC_LAUNCH_DIAGNOSIS_H
#define CVMFSEXEC_LAUNCH_DIAGNOSIS_H

#include "payload/base/error.h"
#include "payload/launch/facts.h"

/* New namespaces were refused. `what` was being done. */
int diagnosis_namespaces(int code, const char *what, struct error *error);

/* Something was refused inside new namespaces that the creator of a user namespace may do: writing
 * its id maps, mounting. */
int diagnosis_inside(int code, const char *what, struct error *error);

/* Root could not write an id map in which he keeps his id. */
int diagnosis_root_map(int code, const char *what, struct error *error);

/* /dev/fuse could not be opened. */
int diagnosis_fuse_device(int code, struct error *error);

/* FUSE could not be mounted on `path` by this process. */
int diagnosis_fuse_mount(int code, const char *path, struct error *error);

/* `program`, a path, could not be executed. */
int diagnosis_execute(int code, const char *program, struct error *error);

/* `program`, fusermount3 or fusermount, which mounts for users, failed and said `said` (lines, or
 * ""); NULL: neither is there. -ENOENT for that, else -EPERM. */
int diagnosis_fusermount(const char *program, const char *said, struct error *error);

/* The words of the first two for a system of which these facts are known. */
int diagnosis_namespaces_of(const struct facts *facts, int code, const char *what,
                            struct error *error);
int diagnosis_inside_of(const struct facts *facts, int code, const char *what, struct error *error);

#endif
