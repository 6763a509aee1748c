/* Reads program headers, PT_INTERP and PT_DYNAMIC as the loader does; sections are not looked at,
 * so a file without any is as good. Libraries are not searched for here: closure.c does. */
#include "packer/dynamic.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"

/* Far above what any linker writes; damaged counts shall not keep us busy. */
#define PROGRAM_HEADER_LIMIT 4096u
#define NAME_LIMIT 4096u
#define VERSION_LIMIT 4096u

/* Bytes of the file, NULL when they are not all inside it. libelf owns them. */
static Elf_Data *file_bytes(Elf *elf, uint64_t offset, uint64_t size, Elf_Type type)
{
    if (offset > INT64_MAX || size == 0)
        return NULL;
    return elf_getdata_rawchunk(elf, (int64_t)offset, size, type);
}

static int damaged(struct error *error, const char *what)
{
    return error_set(error, -ENOEXEC, "damaged ELF file: %s", what);
}

/* A copy of the string at the beginning of `size` bytes that hold its NUL. */
static int copy_string(const char *bytes, size_t size, char **string)
{
    const char *end = memchr(bytes, '\0', size < NAME_LIMIT ? size : NAME_LIMIT);
    if (!end)
        return -ENOEXEC;
    char *copy = strndup(bytes, (size_t)(end - bytes));
    if (!copy)
        return -ENOMEM;
    free(*string);
    *string = copy;
    return 0;
}

/* Where in the file the loader would find an address. */
static bool address_to_offset(Elf *elf, size_t headers, uint64_t address, uint64_t *offset)
{
    for (size_t index = 0; index < headers; index++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)index, &header) || header.p_type != PT_LOAD)
            continue;
        if (address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz) {
            uint64_t distance = address - header.p_vaddr;
            if (header.p_offset > UINT64_MAX - distance)
                return false;
            *offset = header.p_offset + distance;
            return true;
        }
    }
    return false;
}

/* The string table that the dynamic entries refer to: NULL with 0 when they have none. */
static int find_strings(Elf *elf, size_t headers, Elf_Data *entries, size_t count,
                        Elf_Data **strings, struct error *error)
{
    uint64_t address = 0, size = 0;
    for (size_t index = 0; index < count; index++) {
        GElf_Dyn entry;
        if (!gelf_getdyn(entries, (int)index, &entry) || entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_STRTAB)
            address = entry.d_un.d_ptr;
        else if (entry.d_tag == DT_STRSZ)
            size = entry.d_un.d_val;
    }
    *strings = NULL;
    if (size == 0)
        return 0;
    uint64_t offset;
    if (!address_to_offset(elf, headers, address, &offset) ||
        !(*strings = file_bytes(elf, offset, size, ELF_T_BYTE)))
        return damaged(error, "its dynamic strings are not in the file");
    return 0;
}

static int read_entry(const GElf_Dyn *entry, const Elf_Data *strings, struct dynamic *dynamic)
{
    if (entry->d_tag != DT_NEEDED && entry->d_tag != DT_RPATH && entry->d_tag != DT_RUNPATH)
        return 0;
    if (!strings || entry->d_un.d_val >= strings->d_size)
        return -ENOEXEC;
    const char *bytes = (const char *)strings->d_buf + entry->d_un.d_val;
    const size_t size = strings->d_size - (size_t)entry->d_un.d_val;
    if (entry->d_tag == DT_RPATH)
        return copy_string(bytes, size, &dynamic->rpath);
    if (entry->d_tag == DT_RUNPATH)
        return copy_string(bytes, size, &dynamic->runpath);
    char *name = NULL;
    int result = copy_string(bytes, size, &name);
    return result < 0 ? result : strings_take(&dynamic->needed, name);
}

/* Where in the strings an offset is; NULL when it is not there, or has no end. */
static const char *string_at(const Elf_Data *strings, uint32_t offset)
{
    if (!strings || offset >= strings->d_size)
        return NULL;
    const char *string = (const char *)strings->d_buf + offset;
    return memchr(string, '\0', strings->d_size - offset) ? string : NULL;
}

/* A table of versions: the rest of the segment it is in, for its own size is not said anywhere. The
 * structures in it are the same for both classes. */
static const Elf_Data *find_versions(Elf *elf, size_t headers, uint64_t address)
{
    for (size_t index = 0; index < headers; index++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)index, &header) || header.p_type != PT_LOAD ||
            address < header.p_vaddr || address - header.p_vaddr >= header.p_filesz)
            continue;
        const uint64_t distance = address - header.p_vaddr;
        if (header.p_offset > UINT64_MAX - distance)
            return NULL;
        return file_bytes(elf, header.p_offset + distance, header.p_filesz - distance, ELF_T_BYTE);
    }
    return NULL;
}

static bool copy_record(const Elf_Data *table, uint64_t offset, void *record, size_t size)
{
    if (offset > table->d_size || table->d_size - offset < size)
        return false;
    memcpy(record, (const char *)table->d_buf + offset, size);
    return true;
}

static int add_need(struct dynamic *dynamic, const char *library, const char *version)
{
    struct version_need *grown =
        reallocarray(dynamic->needs, dynamic->need_count + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    dynamic->needs = grown;
    struct version_need *need = &grown[dynamic->need_count++];
    *need = (struct version_need){.library = strdup(library), .version = strdup(version)};
    return need->library && need->version ? 0 : -ENOMEM;
}

/* What is needed of one library. */
static int read_library_needs(const Elf_Data *table, uint64_t offset, const Elf64_Verneed *library,
                              const Elf_Data *strings, struct dynamic *dynamic)
{
    const char *name = string_at(strings, library->vn_file);
    offset += library->vn_aux;
    int result = name ? 0 : -ENOEXEC;
    for (unsigned index = 0; index < library->vn_cnt && result == 0; index++) {
        Elf64_Vernaux need;
        const char *version = copy_record(table, offset, &need, sizeof need)
                                  ? string_at(strings, need.vna_name)
                                  : NULL;
        if (!version)
            return -ENOEXEC;
        if (!(need.vna_flags & VER_FLG_WEAK))
            result = add_need(dynamic, name, version);
        offset += need.vna_next;
        if (need.vna_next == 0)
            break;
    }
    return result;
}

static int read_needs(const Elf_Data *table, uint64_t count, const Elf_Data *strings,
                      struct dynamic *dynamic)
{
    uint64_t offset = 0;
    for (uint64_t index = 0; index < count; index++) {
        Elf64_Verneed library;
        if (!copy_record(table, offset, &library, sizeof library))
            return -ENOEXEC;
        int result = read_library_needs(table, offset, &library, strings, dynamic);
        if (result < 0)
            return result;
        if (library.vn_next == 0)
            break;
        offset += library.vn_next;
    }
    return 0;
}

/* The first name of each definition is its own, further ones are those it follows. */
static int read_definitions(const Elf_Data *table, uint64_t count, const Elf_Data *strings,
                            struct dynamic *dynamic)
{
    uint64_t offset = 0;
    for (uint64_t index = 0; index < count; index++) {
        Elf64_Verdef definition;
        Elf64_Verdaux name;
        if (!copy_record(table, offset, &definition, sizeof definition) ||
            !copy_record(table, offset + definition.vd_aux, &name, sizeof name))
            return -ENOEXEC;
        const char *version = string_at(strings, name.vda_name);
        if (!version)
            return -ENOEXEC;
        if (strings_add(&dynamic->defined, version) < 0)
            return -ENOMEM;
        if (definition.vd_next == 0)
            break;
        offset += definition.vd_next;
    }
    return 0;
}

static bool is_of_this_order(const struct dynamic *dynamic)
{
    return dynamic->kind.encoding ==
           (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB);
}

/* Both tables of versions. Files of the other byte order are for no machine we make trees for, and
 * are told apart by their kind. */
static int read_versions(Elf *elf, size_t headers, Elf_Data *entries, size_t count,
                         const Elf_Data *strings, struct dynamic *dynamic)
{
    uint64_t needs = 0, need_count = 0, definitions = 0, definition_count = 0;
    for (size_t index = 0; index < count; index++) {
        GElf_Dyn entry;
        if (!gelf_getdyn(entries, (int)index, &entry) || entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_VERNEED)
            needs = entry.d_un.d_ptr;
        else if (entry.d_tag == DT_VERNEEDNUM)
            need_count = entry.d_un.d_val;
        else if (entry.d_tag == DT_VERDEF)
            definitions = entry.d_un.d_ptr;
        else if (entry.d_tag == DT_VERDEFNUM)
            definition_count = entry.d_un.d_val;
    }
    if (need_count > VERSION_LIMIT || definition_count > VERSION_LIMIT)
        return -ENOEXEC;
    if (!is_of_this_order(dynamic))
        return 0;
    const Elf_Data *table = need_count > 0 ? find_versions(elf, headers, needs) : NULL;
    int result =
        table ? read_needs(table, need_count, strings, dynamic) : (need_count > 0 ? -ENOEXEC : 0);
    if (result < 0 || definition_count == 0)
        return result;
    table = find_versions(elf, headers, definitions);
    return table ? read_definitions(table, definition_count, strings, dynamic) : -ENOEXEC;
}

static int read_dynamic(Elf *elf, size_t headers, const GElf_Phdr *header, struct dynamic *dynamic,
                        struct error *error)
{
    const size_t entry_size = gelf_fsize(elf, ELF_T_DYN, 1, EV_CURRENT);
    if (entry_size == 0)
        return damaged(error, elf_errmsg(-1));
    const uint64_t size = header->p_filesz - header->p_filesz % entry_size;
    if (size == 0)
        return 0;
    Elf_Data *entries = file_bytes(elf, header->p_offset, size, ELF_T_DYN);
    if (!entries)
        return damaged(error, "its dynamic section is not in the file");
    const size_t count = (size_t)size / entry_size;
    Elf_Data *strings;
    int result = find_strings(elf, headers, entries, count, &strings, error);
    for (size_t index = 0; index < count && result == 0; index++) {
        GElf_Dyn entry;
        if (!gelf_getdyn(entries, (int)index, &entry) || entry.d_tag == DT_NULL)
            break;
        result = read_entry(&entry, strings, dynamic);
        if (result == -ENOEXEC)
            return damaged(error, "a name in its dynamic section");
        if (result < 0)
            return error_system(error, result, "reading the dynamic section");
    }
    if (result == 0)
        result = read_versions(elf, headers, entries, count, strings, dynamic);
    if (result == -ENOEXEC)
        return damaged(error, "its symbol versions");
    return result < 0 ? error_system(error, result, "reading symbol versions") : 0;
}

static int read_interpreter(Elf *elf, const GElf_Phdr *header, struct dynamic *dynamic,
                            struct error *error)
{
    const Elf_Data *bytes = file_bytes(elf, header->p_offset, header->p_filesz, ELF_T_BYTE);
    int result = bytes ? copy_string(bytes->d_buf, bytes->d_size, &dynamic->interpreter) : -ENOEXEC;
    if (result == -ENOEXEC)
        return damaged(error, "the name of its loader");
    return result < 0 ? error_system(error, result, "reading the name of its loader") : 0;
}

int dynamic_read(Elf *elf, struct dynamic *dynamic, struct error *error)
{
    GElf_Ehdr head;
    if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &head))
        return error_set(error, -ENOEXEC, "not an ELF file");
    if (head.e_type != ET_EXEC && head.e_type != ET_DYN)
        return error_set(error, -ENOEXEC, "neither a program nor a shared library");
    dynamic->kind.machine = head.e_machine;
    dynamic->kind.class = head.e_ident[EI_CLASS];
    dynamic->kind.encoding = head.e_ident[EI_DATA];
    size_t headers;
    if (elf_getphdrnum(elf, &headers) < 0 || headers > PROGRAM_HEADER_LIMIT)
        return damaged(error, "its program headers");
    if (headers == 0) /* what libelf also says when they are cut off */
        return damaged(error, "it has no program headers");
    for (size_t index = 0; index < headers; index++) {
        GElf_Phdr header;
        if (!gelf_getphdr(elf, (int)index, &header))
            return damaged(error, "its program headers are not in the file");
        int result = 0;
        if (header.p_type == PT_DYNAMIC) {
            result = read_dynamic(elf, headers, &header, dynamic, error);
        } else if (header.p_type == PT_INTERP) {
            result = read_interpreter(elf, &header, dynamic, error);
        }
        if (result < 0)
            return result;
    }
    return 0;
}

static void end_elf(Elf **elf)
{
    (void)elf_end(*elf); /* NULL is allowed */
}

int dynamic_load_fd(int fd, struct dynamic *dynamic, struct error *error)
{
    if (elf_version(EV_CURRENT) == EV_NONE)
        return error_set(error, -ENOTSUP, "libelf: %s", elf_errmsg(-1));
    __attribute__((cleanup(end_elf))) Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
    if (!elf)
        return error_set(error, -ENOEXEC, "%s", elf_errmsg(-1));
    return dynamic_read(elf, dynamic, error);
}

int dynamic_load(const char *path, struct dynamic *dynamic, struct error *error)
{
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_system(error, -errno, "opening %s", path);
    int result = dynamic_load_fd(fd, dynamic, error);
    return result < 0 ? error_prefix(error, "%s", path) : 0;
}

void dynamic_free(struct dynamic *dynamic)
{
    free(dynamic->interpreter);
    free(dynamic->rpath);
    free(dynamic->runpath);
    strings_free(&dynamic->needed);
    strings_free(&dynamic->defined);
    for (size_t index = 0; index < dynamic->need_count; index++) {
        free(dynamic->needs[index].library);
        free(dynamic->needs[index].version);
    }
    free(dynamic->needs);
    *dynamic = (struct dynamic)DYNAMIC_INIT;
}
