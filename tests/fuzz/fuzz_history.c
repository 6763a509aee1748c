/* The tag database: bytes that claim to be SQLite. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/client/history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_fd int fd = memfd_create("history", MFD_CLOEXEC);
    if (fd < 0 || file_write_full(fd, data, size) < 0)
        return 0;
    struct history *history = NULL;
    struct error error = ERROR_INIT;
    if (history_open(fd, &history, &error) < 0) {
        if (!error.message[0])
            abort();
        return 0;
    }
    struct hash hash;
    if (history_find_tag(history, "trunk", &hash) == 0 && hash_is_null(&hash))
        abort();
    if (history_find_date(history, 1795471200, &hash) == 0 && hash_is_null(&hash))
        abort();
    history_close(history);
    return 0;
}
