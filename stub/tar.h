/* A reader of tar entries in memory, for the archives our own packer writes.
 *
 * It knows regular files, directories and symbolic links of POSIX ustar headers, and the long names
 * of GNU tar (types L and K). Everything else - devices, hard links, pax records, sparse files - is
 * refused. Format: POSIX.1-2017, pax(1), "ustar Interchange Format"; GNU tar manual, "Basic Tar
 * Format". */
#ifndef CVMFSEXEC_STUB_TAR_H
#define CVMFSEXEC_STUB_TAR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "payload/base/error.h"

enum {
    TAR_BLOCK = 512,
    TAR_NAME_LIMIT = 4096 /* with its NUL, as PATH_MAX */
};

enum tar_type { TAR_FILE, TAR_DIRECTORY, TAR_SYMLINK };

/* One entry. The strings and the data live as long as the reader and its bytes. */
struct tar_entry {
    enum tar_type type;
    mode_t mode;         /* permission bits only */
    const char *name;    /* relative, without ".", "..", empty parts or a slash at its end */
    const char *target;  /* of a symbolic link; never empty; anything */
    uint64_t size;       /* of a file; 0 for all others */
    const uint8_t *data; /* as much of the file's content as is here ... */
    size_t data_length;  /* ... which is less than `size` when the bytes end before it does */
};

struct tar_reader {
    const uint8_t *bytes;
    size_t length;
    size_t offset;
    char name[TAR_NAME_LIMIT];
    char target[TAR_NAME_LIMIT];
};

/* Starts on bytes that begin at a header, or with zero blocks. */
void tar_open(struct tar_reader *reader, const uint8_t *bytes, size_t length);

/* The next entry: 1; 0 at the end of the bytes or at a block of zeros; -EBADMSG with words for
 * anything that is not as described above. */
int tar_next(struct tar_reader *reader, struct tar_entry *entry, struct error *error);

/* How many bytes an entry's content takes in the archive: filled up to whole blocks. */
uint64_t tar_padded_size(uint64_t size);

#endif
