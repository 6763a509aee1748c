/* The program that makes containers: apptainer or singularity, whichever the node has. */
#ifndef CVMFSEXEC_CONTAINER_RUNTIME_H
#define CVMFSEXEC_CONTAINER_RUNTIME_H

#include <stdbool.h>

#include "payload/base/error.h"

/* What not every version of it can do. Since when: the release notes of singularity 3.4, 3.6 and
 * SingularityCE 3.9; apptainer began with all of it. */
enum runtime_feature {
    RUNTIME_FUSE_MOUNT,  /* --fusemount */
    RUNTIME_IMAGE_BIND,  /* -B IMAGE:PLACE:image-src=DIRECTORY */
    RUNTIME_MOUNT_OPTION /* --mount, which takes any path */
};

struct runtime {
    char *path;
    bool is_apptainer;
    int major, minor; /* of singularity; -1 when they are not known, which is good enough */
};

#define RUNTIME_INIT                                                  \
    {                                                                 \
        .path = NULL, .is_apptainer = false, .major = -1, .minor = -1 \
    }

/* Looks for apptainer in $PATH, then for singularity, and asks the latter for its version. 0;
 * -ENOENT when there is neither; or another negative errno. */
int runtime_find(struct runtime *runtime, struct error *error);

/* 0, or -ENOTSUP with the version that is there and the one that `purpose` needs. */
int runtime_require(const struct runtime *runtime, enum runtime_feature feature,
                    const char *purpose, struct error *error);

/* What `--version` says, taken apart: apptainer or not, and the version. Unknown words leave -1. */
void runtime_read_version(struct runtime *runtime, const char *words);

void runtime_free(struct runtime *runtime);

#define auto_runtime __attribute__((cleanup(runtime_free)))

#endif
