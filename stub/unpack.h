/* The payload of a bundle -> files below a directory. */
#ifndef CVMFSEXEC_STUB_UNPACK_H
#define CVMFSEXEC_STUB_UNPACK_H

#include <stdint.h>

#include "payload/base/error.h"
#include "stub/bundle.h"

struct unpack_options {
    int file;         /* the ELF file of the bundle, open for reading */
    int directory;    /* where the files go; nothing is created outside of it */
    unsigned threads; /* 0: one for each processor this process may use */
    /* Called now and then, by one thread at a time, with bytes of the archive; may be NULL. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;
};

/* Unpacks all entries, on several threads, into a directory that has none of them yet. Names are
 * walked part by part without following symbolic links. Files and directories have the time of now
 * and the modes of the archive, without set-id bits and write permission for others, and with all
 * permissions of the owner on directories; the umask has no say in it.
 * 0; -EBADMSG for a damaged payload; -EEXIST for a name that is there twice; errors of reading,
 * creating and writing (-ENOSPC, -EDQUOT, ...). After a failure what was unpacked so far remains
 * for the caller to remove. */
int unpack_bundle(const struct bundle *bundle, const struct unpack_options *options,
                  struct error *error);

#endif
