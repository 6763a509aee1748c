/* Reads backwards over the newlines of the last block; knows nothing of what the lines say. */
#include "payload/launch/log_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

#define BLOCK 16384

int log_tail(const char *path, off_t from, int count, struct text *lines)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (status.st_size < from)
        from = 0;
    if (status.st_size - from > BLOCK)
        from = status.st_size - BLOCK;
    auto_free char *block = malloc(BLOCK);
    if (!block)
        return -ENOMEM;
    ssize_t length = file_pread_full(fd, block, (size_t)(status.st_size - from), from);
    if (length <= 0)
        return (int)length;
    size_t start = (size_t)length;
    if (block[length - 1] == '\n')
        start--;
    for (int line = 0; start > 0; start--) {
        if (block[start - 1] == '\n' && ++line == count)
            break;
    }
    int result = text_append(lines, block + start, (size_t)length - start);
    if (result == 0 && block[length - 1] != '\n')
        result = text_append_string(lines, "\n");
    return result;
}
