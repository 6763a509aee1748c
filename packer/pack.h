/* The bundle writer: files and directories on disk -> tar -> zstd frames -> a section of the stub.
 *
 * The result is a function of the inputs alone: names sorted, owner 0:0 without names, whole-second
 * times (SOURCE_DATE_EPOCH for all where that is set, those of the tree otherwise), frames cut and
 * compressed the same way whatever the number of threads. stub/bundle.h has the format. */
#ifndef CVMFSEXEC_PACKER_PACK_H
#define CVMFSEXEC_PACKER_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "payload/base/error.h"

/* A file or directory on disk, and its name in the archive ("dist", "dist/etc/x"). A symbolic link
 * is packed as such. */
struct pack_input {
    const char *path;
    const char *name;
};

struct pack_options {
    const char *stub;     /* path of the stub program of the right machine type */
    const char *output;   /* FILE; written beside and renamed, mode 0755 */
    const char *disttype; /* "standard" or "sing" */
    const char *machtype; /* "rhel9-x86_64", "native-x86_64", ... */
    const struct pack_input *inputs;
    size_t input_count;
    const char *const *excludes; /* fnmatch patterns on archive names, "/" matched by "*" too; the
                                    directory itself stays if the pattern ends in "/" + "*" */
    size_t exclude_count;
    /* What else stays behind, by archive name and st_mode; NULL: nothing. Not asked for what is
     * excluded above. */
    bool (*leaves_behind)(const char *name, mode_t mode);
    int level;        /* zstd level, 0 for the default (19) */
    unsigned threads; /* 0: all cores */
    /* Called in the thread of the caller, with bytes of the uncompressed tar; may be NULL. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context; /* may be NULL */
};

struct pack_result {
    uint64_t entries;       /* names in the archive, directories included */
    uint64_t tree_bytes;    /* contents of its regular files */
    uint64_t payload_bytes; /* compressed */
    uint64_t file_bytes;    /* the size of FILE */
    unsigned frames;
};

/* Packs all of it and puts FILE into place; `result` may be NULL. On failure nothing is left at or
 * beside `output`, an older FILE is untouched, and `error` names the file and the cause.
 * 0 or a negative errno: -EINVAL for a stub that is no usable ELF program or already carries a
 * bundle, for an unusable name, for a tree without a program to start; others from the system. */
int pack_bundle(const struct pack_options *options, struct pack_result *result,
                struct error *error);

#endif
