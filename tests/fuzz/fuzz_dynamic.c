/* packer/dynamic: any bytes at all are an ELF file or refused. */
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "packer/dynamic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (elf_version(EV_CURRENT) == EV_NONE || size == 0)
        return 0;
    char *image = malloc(size); /* libelf wants memory it may write to, and an end to run into */
    if (!image)
        return 0;
    memcpy(image, data, size);
    Elf *elf = elf_memory(image, size);
    if (elf) {
        struct error error = ERROR_INIT;
        struct dynamic dynamic = DYNAMIC_INIT;
        (void)dynamic_read(elf, &dynamic, &error);
        dynamic_free(&dynamic);
        (void)elf_end(elf);
    }
    free(image);
    return 0;
}
