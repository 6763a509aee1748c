/* Any bytes as the content of a frame: every entry must lie inside it and stay inside the tree. */
#include <stdlib.h>
#include <string.h>

#include "stub/tar.h"
#include "tests/unit/tarmaker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As strict as the reader, and written another way. */
static int name_is_safe(const char *name)
{
    char padded[TAR_NAME_LIMIT + 2];
    padded[0] = '/';
    strcpy(padded + 1, name);
    strcat(padded, "/");
    return !strstr(padded, "//") && !strstr(padded, "/../") && !strstr(padded, "/./");
}

static void read_all(const uint8_t *data, size_t size)
{
    static struct tar_reader reader;
    struct tar_entry entry;
    struct error error = ERROR_INIT;
    tar_open(&reader, data, size);
    while (tar_next(&reader, &entry, &error) > 0) {
        if (strlen(entry.name) >= TAR_NAME_LIMIT || !name_is_safe(entry.name))
            abort();
        if (entry.type == TAR_SYMLINK && strlen(entry.target) >= TAR_NAME_LIMIT)
            abort();
        if (entry.data < data || entry.data_length > entry.size ||
            entry.data_length > (size_t)(data + size - entry.data))
            abort();
        if (entry.data_length < entry.size && reader.offset != size)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all(data, size);
    /* And once more with right checksums, which chance does not find. */
    char *sealed = malloc(size + 1);
    if (!sealed)
        return 0;
    memcpy(sealed, data, size);
    for (size_t offset = 0; offset + TAR_BLOCK <= size; offset += TAR_BLOCK) {
        if (sealed[offset] != 0)
            tar_seal(sealed + offset);
    }
    read_all((const uint8_t *)sealed, size);
    free(sealed);
    return 0;
}
