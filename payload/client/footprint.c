/* Read-only segments of loaded objects, returned to the page cache. */
#include "payload/client/footprint.h"

#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Only what can never have been written to: relocations were applied to writable segments, which
 * then became read-only in parts. */
static int trim_object(struct dl_phdr_info *object, size_t size, void *context)
{
    (void)size;
    const uintptr_t *page = context;
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W))
            continue;
        uintptr_t begin = (object->dlpi_addr + segment->p_vaddr) & ~(*page - 1);
        uintptr_t end =
            (object->dlpi_addr + segment->p_vaddr + segment->p_filesz + *page - 1) & ~(*page - 1);
        /* A refusal, say for the kernel's own object, costs nothing but the memory. */
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
    }
    return 0;
}

void footprint_trim(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)dl_iterate_phdr(trim_object, &page);
}
