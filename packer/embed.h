/* Adding sections to a finished program. */
#ifndef CVMFSEXEC_PACKER_EMBED_H
#define CVMFSEXEC_PACKER_EMBED_H

#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"

/* A section that is not loaded. The strings and bytes are the caller's. */
struct embed_section {
    const char *name;
    uint32_t type; /* SHT_* */
    uint64_t alignment;
    void *bytes; /* is not changed; libelf wants it so */
    size_t size;
};

/* Puts the sections behind everything else in the ELF file open at `fd` for reading and writing.
 * What is loaded stays where it is, byte for byte. 0; -EINVAL for what libelf does not take, with
 * its words; -ENOMEM. */
int embed_sections(int fd, const struct embed_section *sections, size_t count, struct error *error);

#endif
