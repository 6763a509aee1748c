/* Whole reads and writes of descriptors and small files. */
#ifndef CVMFSEXEC_BASE_FILE_H
#define CVMFSEXEC_BASE_FILE_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "payload/base/text.h"

/* Read until `length` bytes are there or the file ends: the count read, or a negative errno. */
ssize_t file_read_full(int fd, void *buffer, size_t length);
ssize_t file_pread_full(int fd, void *buffer, size_t length, off_t offset);

/* Write all of it: 0 or a negative errno. */
int file_write_full(int fd, const void *bytes, size_t length);

/* Appends the whole of a file to `text`. `directory` may be AT_FDCWD. A file longer than `limit`
 * bytes gives -EFBIG. 0 or a negative errno. */
int file_load(int directory, const char *path, size_t limit, struct text *text);
/* The same from where a descriptor stands, which stays open. */
int file_load_fd(int fd, size_t limit, struct text *text);

/* Replaces `path` by the given content through a temporary file beside it and rename(2), so that
 * readers see the old or the new content whole. 0 or a negative errno. */
int file_replace(int directory, const char *path, const void *bytes, size_t length, mode_t mode);

/* Makes `path` and all missing parents. It is no error when it is there already.
 * 0 or a negative errno. */
int directory_make(int directory, const char *path, mode_t mode);

#endif
