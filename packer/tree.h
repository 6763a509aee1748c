/* The dist tree with the native client: everything a node needs besides its kernel.
 *
 *     .cvmfsexecdist                        stamp.h
 *     etc/os-release, etc/cvmfs, var        skeleton.h
 *     usr/bin/cvmfs2                        the client
 *     usr/bin/fuse2fs                       for images, where this system has it
 *     usr/lib64/                            its loader and all its libraries, under the names they
 *                                           are asked for; no links
 *     usr/share/cvmfsexec/libraries         which file of this system each of them is a copy of;
 *                                           fuse2fs, too
 *
 * The tree may be moved, copied and used by anybody: it holds no path of its own. */
#ifndef CVMFSEXEC_PACKER_TREE_H
#define CVMFSEXEC_PACKER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packer/machine.h"
#include "payload/base/error.h"

/* The name of the tree, beside makedist and in a bundle. */
#define TREE_NAME "dist"

/* The files of the native client, by these names in a build directory and in a tree. */
#define TREE_CLIENT "cvmfs2"
#define TREE_TRANSFER "libcvmfsexec-transfer.so"

/* The program of e2fsprogs that mounts file system images, by this name in a tree. */
#define TREE_FUSE2FS "fuse2fs"

struct tree_options {
    const char *directory;         /* in which the tree is made */
    const char *client;            /* path of TREE_CLIENT, the program */
    const char *transfer;          /* path of TREE_TRANSFER, which it loads */
    const char *fuse2fs;           /* path of TREE_FUSE2FS, or NULL */
    const struct machine *machine; /* what the tree is for */
    bool sing;                     /* for singcvmfs */
};

struct tree_result {
    size_t libraries; /* loader included */
    uint64_t bytes;   /* contents of programs and libraries */
};

/* Makes the tree. Whatever happens, `dist` is either not there or complete. Needs a umask that
 * leaves others their read permission. 0; -EEXIST when `dist` is there already; -EINTR when a
 * signal asked to stop, which is delivered on return; what closure_find and the system give.
 * `result` may be NULL. */
int tree_make(const struct tree_options *options, struct tree_result *result, struct error *error);

#endif
