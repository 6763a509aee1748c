/* Finding a section by its name in a 64-bit little-endian ELF file, in memory or on disk. */
#ifndef CVMFSEXEC_STUB_SECTION_H
#define CVMFSEXEC_STUB_SECTION_H

#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"

/* Where the bytes of an ELF file are: in memory where `bytes` is set, else behind `fd`. `length` is
 * the size of the file: nothing behind it is ever looked at. */
struct image {
    const uint8_t *bytes;
    int fd;
    uint64_t length;
};

/* A section's place in the file, and the fields of its header that say what it is. */
struct section {
    uint64_t offset;
    uint64_t size;
    uint64_t flags; /* SHF_* */
    uint32_t type;  /* SHT_* */
};

/* Copies `length` bytes at `offset`. 0; -EBADMSG when they are not all inside the image; an errno
 * of pread. */
int image_read(const struct image *image, uint64_t offset, void *buffer, size_t length);

/* Looks for each of `count` names among the section headers; the same place in `sections` receives
 * what was found, with a type of SHT_NULL for a name that is not there. A section that has bytes
 * in the file is found only if they are all inside the image.
 * 0; -ENOEXEC for what is no ELF file of this kind or has no sections; -EBADMSG for headers that
 * contradict themselves or the image, or a name that is there twice; -ENOMEM; errors of reading. */
int section_find(const struct image *image, const char *const *names, struct section *sections,
                 size_t count, struct error *error);

#endif
