/* Does what strip(1) does to a program, through libelf, for binutils are on few of the machines on
 * which trees are made. Relocatable files are not handled. */
#include "packer/strip.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"

static void end_elf(Elf **elf)
{
    (void)elf_end(*elf); /* NULL is allowed */
}

#define auto_elf __attribute__((cleanup(end_elf)))

struct copy {
    Elf *in, *out;
    size_t *numbers;    /* of each section in the copy, 0 for those left behind */
    size_t names_index; /* of the section with the names of sections, in the original */
    struct text names;  /* its content in the copy */
    uint64_t end;       /* of what has been placed in the copy */
};

static int libelf_failed(struct error *error, const char *what)
{
    return error_set(error, -ENOEXEC, "%s: %s", what, elf_errmsg(-1));
}

static void place(struct copy *copy, uint64_t offset, uint64_t size)
{
    if (offset + size > copy->end)
        copy->end = offset + size;
}

static int copy_headers(struct copy *copy, struct error *error)
{
    GElf_Ehdr head;
    size_t count;
    if (elf_kind(copy->in) != ELF_K_ELF || !gelf_getehdr(copy->in, &head) ||
        elf_getphdrnum(copy->in, &count) < 0)
        return libelf_failed(error, "reading");
    if ((head.e_type != ET_EXEC && head.e_type != ET_DYN) || count == 0)
        return error_set(error, -ENOEXEC, "neither a program nor a shared library");
    if (!gelf_newehdr(copy->out, gelf_getclass(copy->in)) || !gelf_newphdr(copy->out, count))
        return libelf_failed(error, "making headers");
    for (size_t index = 0; index < count; index++) {
        GElf_Phdr header;
        if (!gelf_getphdr(copy->in, (int)index, &header) ||
            !gelf_update_phdr(copy->out, (int)index, &header))
            return libelf_failed(error, "copying program headers");
        if (header.p_type == PT_LOAD)
            place(copy, header.p_offset, header.p_filesz);
    }
    head.e_shnum = 0; /* libelf counts the sections itself */
    head.e_shoff = 0;
    head.e_shstrndx = 0;
    return gelf_update_ehdr(copy->out, &head) ? 0 : libelf_failed(error, "copying the header");
}

/* Gives each section that stays its number in the copy: what is loaded, and the names. */
static int number_sections(struct copy *copy, size_t count, struct error *error)
{
    size_t next = 1;
    for (size_t index = 1; index < count; index++) {
        GElf_Shdr header;
        Elf_Scn *section = elf_getscn(copy->in, index);
        if (!section || !gelf_getshdr(section, &header))
            return libelf_failed(error, "reading sections");
        if ((header.sh_flags & SHF_ALLOC) != 0 || index == copy->names_index)
            copy->numbers[index] = next++;
    }
    return 0;
}

static int copy_section(struct copy *copy, size_t index, size_t count, struct error *error)
{
    Elf_Scn *from = elf_getscn(copy->in, index);
    Elf_Scn *to = elf_newscn(copy->out);
    GElf_Shdr header;
    if (!from || !to || !gelf_getshdr(from, &header))
        return libelf_failed(error, "copying a section");
    const char *name = elf_strptr(copy->in, copy->names_index, header.sh_name);
    Elf_Data *data = elf_newdata(to);
    if (!name || !data)
        return libelf_failed(error, "copying a section");
    header.sh_name = (GElf_Word)copy->names.length;
    int result = text_append(&copy->names, name, strlen(name) + 1);
    if (result < 0)
        return error_system(error, result, "copying a section");
    if (index != copy->names_index) { /* that one is written last, when all names are known */
        Elf_Data *content = elf_rawdata(from, NULL);
        if (!content)
            return libelf_failed(error, "copying a section");
        *data = *content;
        data->d_off = 0;
        if (header.sh_type != SHT_NOBITS)
            place(copy, header.sh_offset, header.sh_size);
    }
    header.sh_link = header.sh_link < count ? (GElf_Word)copy->numbers[header.sh_link] : 0;
    if ((header.sh_flags & SHF_INFO_LINK) != 0)
        header.sh_info = header.sh_info < count ? (GElf_Word)copy->numbers[header.sh_info] : 0;
    return gelf_update_shdr(to, &header) ? 0 : libelf_failed(error, "copying a section");
}

static int finish_names(struct copy *copy, struct error *error)
{
    Elf_Scn *section = elf_getscn(copy->out, copy->numbers[copy->names_index]);
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    GElf_Shdr header;
    GElf_Ehdr head;
    if (!data || !gelf_getshdr(section, &header) || !gelf_getehdr(copy->out, &head))
        return libelf_failed(error, "writing section names");
    data->d_buf = copy->names.bytes;
    data->d_size = copy->names.length;
    data->d_type = ELF_T_BYTE;
    data->d_align = 1;
    header.sh_offset = copy->end;
    header.sh_size = copy->names.length;
    head.e_shstrndx = (GElf_Half)copy->numbers[copy->names_index];
    head.e_shoff = (copy->end + copy->names.length + 7) & ~(uint64_t)7;
    if (!gelf_update_shdr(section, &header) || !gelf_update_ehdr(copy->out, &head))
        return libelf_failed(error, "writing section names");
    return 0;
}

static int copy_sections(struct copy *copy, struct error *error)
{
    size_t count;
    if (elf_getshdrnum(copy->in, &count) < 0 || elf_getshdrstrndx(copy->in, &copy->names_index) < 0)
        return libelf_failed(error, "reading sections");
    if (copy->names_index == 0 || copy->names_index >= count)
        return error_set(error, -ENOEXEC, "it has no section names");
    auto_free size_t *numbers = calloc(count, sizeof *numbers);
    if (!numbers)
        return error_system(error, -ENOMEM, "copying sections");
    copy->numbers = numbers;
    int result = text_append(&copy->names, "", 1);
    if (result == 0)
        result = number_sections(copy, count, error);
    for (size_t index = 1; index < count && result == 0; index++)
        if (numbers[index] != 0)
            result = copy_section(copy, index, count, error);
    return result < 0 ? result : finish_names(copy, error);
}

int strip_copy(int input, int output, struct error *error)
{
    if (elf_version(EV_CURRENT) == EV_NONE)
        return libelf_failed(error, "libelf");
    auto_elf Elf *in = elf_begin(input, ELF_C_READ, NULL);
    auto_elf Elf *out = elf_begin(output, ELF_C_WRITE, NULL);
    if (!in || !out)
        return libelf_failed(error, "opening");
    struct copy copy = {.in = in, .out = out, .names = TEXT_INIT};
    /* The layout is ours: libelf's own would move what is loaded. */
    (void)elf_flagelf(out, ELF_C_SET, ELF_F_LAYOUT);
    int result = copy_headers(&copy, error);
    if (result == 0)
        result = copy_sections(&copy, error);
    if (result == 0 && elf_update(out, ELF_C_WRITE) < 0)
        result = libelf_failed(error, "writing");
    text_free(&copy.names);
    return result;
}
