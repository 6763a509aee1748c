/* Any bytes as an executable: an interpreter is a whole absolute path, or there is none. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/launch/interpreter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_fd int fd = memfd_create("executable", MFD_CLOEXEC);
    char path[32];
    if (fd < 0 || file_write_full(fd, data, size) < 0)
        return 0;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    auto_free char *interpreter = NULL;
    if (interpreter_read(path, &interpreter) == 0 && interpreter && interpreter[0] != '/')
        abort();
    return 0;
}
