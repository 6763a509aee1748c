/* libelf, told to keep its hands off the layout: it would move the segments of a static program,
 * and the program would not start. All offsets are therefore given here: behind the end of the file
 * come the new sections, the names of all sections, and the section table. */
#include "packer/embed.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <sys/stat.h>

#include "payload/base/text.h"

static void scope_end_elf(Elf **elf)
{
    (void)elf_end(*elf); /* what was to be written was written by elf_update */
}

#define auto_elf __attribute__((cleanup(scope_end_elf)))

static int refuse(struct error *error, const char *what)
{
    return error_set(error, -EINVAL, "%s: %s", what, elf_errmsg(-1));
}

static uint64_t align(uint64_t offset, uint64_t alignment)
{
    return (offset + alignment - 1) / alignment * alignment;
}

/* Adds one section at `*offset`, which moves behind it; its name begins at `name` in the table of
 * names. */
static int add_section(Elf *elf, const struct embed_section *section, size_t name, uint64_t *offset,
                       struct error *error)
{
    GElf_Shdr header;
    Elf_Scn *scn = elf_newscn(elf);
    Elf_Data *data = scn ? elf_newdata(scn) : NULL;
    if (!data || !gelf_getshdr(scn, &header))
        return refuse(error, section->name);
    *offset = align(*offset, section->alignment);
    data->d_buf = section->bytes;
    data->d_size = section->size;
    data->d_align = section->alignment;
    data->d_type = ELF_T_BYTE;
    data->d_version = EV_CURRENT;
    header.sh_name = (GElf_Word)name;
    header.sh_type = section->type;
    header.sh_offset = *offset;
    header.sh_size = section->size;
    header.sh_addralign = section->alignment;
    *offset += section->size;
    return gelf_update_shdr(scn, &header) ? 0 : refuse(error, section->name);
}

/* Moves the section names, now with those of the new sections, to `*offset`. */
static int move_names(Elf *elf, size_t index, const struct text *names, uint64_t *offset,
                      struct error *error)
{
    GElf_Shdr header;
    Elf_Scn *scn = elf_getscn(elf, index);
    Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
    if (!data || !gelf_getshdr(scn, &header))
        return refuse(error, "names of sections");
    data->d_buf = names->bytes;
    data->d_size = names->length;
    header.sh_offset = *offset;
    header.sh_size = names->length;
    *offset += names->length;
    if (!gelf_update_shdr(scn, &header) || !elf_flagdata(data, ELF_C_SET, ELF_F_DIRTY))
        return refuse(error, "names of sections");
    return 0;
}

static int copy_names(Elf *elf, size_t index, struct text *names, struct error *error)
{
    Elf_Scn *scn = elf_getscn(elf, index);
    const Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
    if (!data || data->d_size == 0)
        return refuse(error, "names of sections");
    int result = text_append(names, data->d_buf, data->d_size);
    return result < 0 ? error_system(error, result, "names of sections") : 0;
}

static int update_header(Elf *elf, uint64_t table, struct error *error)
{
    GElf_Ehdr header;
    if (!gelf_getehdr(elf, &header))
        return refuse(error, "ELF header");
    header.e_shoff = table;
    if (!gelf_update_ehdr(elf, &header) || elf_update(elf, ELF_C_WRITE) < 0)
        return refuse(error, "writing the ELF file");
    return 0;
}

int embed_sections(int fd, const struct embed_section *sections, size_t count, struct error *error)
{
    auto_text struct text names = TEXT_INIT; /* outlives the Elf, which points to it */
    if (elf_version(EV_CURRENT) == EV_NONE)
        return refuse(error, "libelf");
    auto_elf Elf *elf = elf_begin(fd, ELF_C_RDWR, NULL);
    if (!elf || elf_kind(elf) != ELF_K_ELF || gelf_getclass(elf) != ELFCLASS64)
        return error_set(error, -EINVAL, "not a 64-bit ELF file");
    size_t names_index;
    struct stat status;
    if (!elf_flagelf(elf, ELF_C_SET, ELF_F_LAYOUT | ELF_F_DIRTY) ||
        elf_getshdrstrndx(elf, &names_index) < 0)
        return refuse(error, "ELF file");
    /* ELF_F_DIRTY above: without it only part of the section table would be written.
     * Not elf_rawfile: it reads the whole file into memory, and libelf would then write its
     * changes there, behind the end of it (elfutils 0.188). */
    if (fstat(fd, &status) < 0)
        return error_system(error, -errno, "looking at the ELF file");
    uint64_t offset = (uint64_t)status.st_size;
    int result = copy_names(elf, names_index, &names, error);
    for (size_t i = 0; result == 0 && i < count; i++) {
        size_t name = names.length;
        result = text_append(&names, sections[i].name, strlen(sections[i].name) + 1);
        result = result < 0 ? error_system(error, result, "names of sections")
                            : add_section(elf, &sections[i], name, &offset, error);
    }
    if (result == 0)
        result = move_names(elf, names_index, &names, &offset, error);
    return result < 0 ? result : update_header(elf, align(offset, 8), error);
}
