/* The native client in a tree: everything a node needs besides its kernel and a configuration.
 *
 *     usr/bin/cvmfs2                        the client
 *     usr/bin/fuse2fs                       for images, where this system has it
 *     usr/lib64/                            its loader and all its libraries, under the names they
 *                                           are asked for; no links
 *     usr/share/cvmfsexec/libraries         which file here each of them is a copy of;
 *                                           fuse2fs, too */
#ifndef CVMFSEXEC_PACKER_NATIVE_H
#define CVMFSEXEC_PACKER_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#include "packer/stage.h"
#include "payload/base/error.h"

/* The files of the native client, by these names in a build directory and in a tree. */
#define NATIVE_CLIENT "cvmfs2"
#define NATIVE_TRANSFER "libcvmfsexec-transfer.so"

/* Beside a client for another architecture: the directory with its libraries and loader. */
#define NATIVE_LIBRARIES "lib"

/* The program of e2fsprogs that mounts file system images, by this name in a tree. */
#define NATIVE_FUSE2FS "fuse2fs"

struct native_programs {
    const char *client;       /* path of NATIVE_CLIENT, the program */
    const char *transfer;     /* path of NATIVE_TRANSFER, which it loads */
    const char *fuse2fs;      /* path of NATIVE_FUSE2FS, or NULL */
    const char *architecture; /* theirs, as uname -m has it */
    const char *libraries;    /* a directory that is searched for libraries and their loader before
                                 those of this system; or NULL */
};

struct native_result {
    size_t libraries; /* loader included */
    uint64_t bytes;   /* contents of programs and libraries */
};

/* Copies all of it into the stage of a tree that has its skeleton. 0; -EINTR when a signal asked to
 * stop; what closure_find and the system give. */
int native_fill(const struct native_programs *programs, const struct stage *stage,
                struct native_result *result, struct error *error);

#endif
