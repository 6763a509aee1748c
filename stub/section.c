/* Reads the ELF header, the section headers and their names, and nothing else: no symbols, no
 * segments, no 32-bit and no big-endian files. Every machine type we make bundles for is 64-bit and
 * little-endian; which machine it is is the kernel's to judge. */
#include "stub/section.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"

enum {
    SECTION_LIMIT = 1024,       /* headers; a static program has twenty */
    SECTION_NAMES_LIMIT = 65536 /* bytes of names */
};

int image_read(const struct image *image, uint64_t offset, void *buffer, size_t length)
{
    if (offset > image->length || length > image->length - offset)
        return -EBADMSG;
    if (image->bytes) {
        memcpy(buffer, image->bytes + offset, length);
        return 0;
    }
    ssize_t got = file_pread_full(image->fd, buffer, length, (off_t)offset);
    if (got < 0)
        return (int)got;
    return (size_t)got == length ? 0 : -EBADMSG;
}

/* Reads what is read into fresh memory; NULL with the code in `result`. */
static void *read_block(const struct image *image, uint64_t offset, size_t length, int *result)
{
    auto_free void *block = malloc(length);
    *result = block ? image_read(image, offset, block, length) : -ENOMEM;
    return *result < 0 ? NULL : steal_pointer(block);
}

static int read_header(const struct image *image, Elf64_Ehdr *header, struct error *error)
{
    int result = image_read(image, 0, header, sizeof *header);
    if (result < 0 && result != -EBADMSG)
        return error_system(error, result, "reading the ELF header");
    if (result < 0 || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_ident[EI_VERSION] != EV_CURRENT)
        return error_set(error, -ENOEXEC, "not a 64-bit little-endian ELF file");
    if (header->e_shoff == 0 || header->e_shnum == 0)
        return error_set(error, -ENOEXEC, "the ELF file has no sections");
    if (header->e_shentsize != sizeof(Elf64_Shdr) || header->e_shnum > SECTION_LIMIT ||
        header->e_shstrndx >= header->e_shnum)
        return error_set(error, -EBADMSG, "the ELF section table is damaged");
    return 0;
}

/* Whether the NUL-terminated name at `offset` of the name table is `name`. */
static bool name_matches(const char *names, size_t length, uint32_t offset, const char *name)
{
    size_t wanted = strlen(name) + 1;
    return offset < length && wanted <= length - offset &&
           memcmp(names + offset, name, wanted) == 0;
}

static int take_section(const struct image *image, const Elf64_Shdr *header, const char *name,
                        struct section *section, struct error *error)
{
    if (section->type != SHT_NULL)
        return error_set(error, -EBADMSG, "the ELF file has section %s twice", name);
    if (header->sh_type == SHT_NULL)
        return error_set(error, -EBADMSG, "section %s has no type", name);
    if (header->sh_type != SHT_NOBITS &&
        (header->sh_offset > image->length || header->sh_size > image->length - header->sh_offset))
        return error_set(error, -EBADMSG, "section %s ends behind the end of the file", name);
    *section = (struct section){.offset = header->sh_offset,
                                .size = header->sh_size,
                                .flags = header->sh_flags,
                                .type = header->sh_type};
    return 0;
}

int section_find(const struct image *image, const char *const *names, struct section *sections,
                 size_t count, struct error *error)
{
    Elf64_Ehdr header;
    int result = read_header(image, &header, error);
    if (result < 0)
        return result;
    auto_free Elf64_Shdr *table =
        read_block(image, header.e_shoff, header.e_shnum * sizeof *table, &result);
    if (!table)
        return error_system(error, result, "reading the ELF section table");
    const Elf64_Shdr *names_header = &table[header.e_shstrndx];
    size_t names_length = (size_t)names_header->sh_size;
    if (names_header->sh_type != SHT_STRTAB || names_header->sh_size == 0 ||
        names_header->sh_size > SECTION_NAMES_LIMIT)
        return error_set(error, -EBADMSG, "the names of the ELF sections are damaged");
    auto_free char *name_bytes = read_block(image, names_header->sh_offset, names_length, &result);
    if (!name_bytes)
        return error_system(error, result, "reading the names of the ELF sections");

    memset(sections, 0, count * sizeof *sections);
    for (size_t i = 0; i < header.e_shnum; i++) {
        for (size_t n = 0; n < count; n++) {
            if (!name_matches(name_bytes, names_length, table[i].sh_name, names[n]))
                continue;
            result = take_section(image, &table[i], names[n], &sections[n], error);
            if (result < 0)
                return result;
        }
    }
    return 0;
}
