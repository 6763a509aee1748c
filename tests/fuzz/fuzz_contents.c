/* Any bytes as a file to be inspected or verified: opened, read from end to end, every name seen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "packer/contents.h"
#include "payload/base/file.h"
#include "payload/base/scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONTENT_LIMIT ((uint64_t)1 << 20)

static int look(void *context, const struct tar_entry *entry)
{
    uint64_t *entries = context;
    (*entries)++;
    if (!*entry->name || *entry->name == '/' || strncmp(entry->name, "../", 3) == 0 ||
        strstr(entry->name, "/../") || entry->data_length > entry->size ||
        (entry->type == TAR_SYMLINK) != (*entry->target != '\0'))
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_contents struct contents contents = CONTENTS_INIT;
    struct error error = ERROR_INIT;
    char path[32];
    uint64_t entries = 0;
    auto_fd int file = memfd_create("bundle", MFD_CLOEXEC);
    if (file < 0 || file_write_full(file, data, size) < 0)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (contents_open(path, &contents, &error) < 0 || contents.bundle.content_size > CONTENT_LIMIT)
        return 0;
    (void)contents_check_digest(&contents, &error);
    if (contents_walk(&contents, look, &entries, &error) == 0 &&
        entries != contents.bundle.entry_count)
        abort();
    return 0;
}
