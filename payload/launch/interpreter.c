/* Reads two things of an ELF file, the program headers and the PT_INTERP string, and trusts no
 * field of them. Layout: elf(5). */
#include "payload/launch/interpreter.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_BYTE_ORDER ELFDATA2LSB
#else
#define NATIVE_BYTE_ORDER ELFDATA2MSB
#endif

static bool header_is_native(const Elf64_Ehdr *header)
{
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == NATIVE_BYTE_ORDER;
}

static int read_exactly(int fd, void *buffer, size_t length, uint64_t offset)
{
    if (offset > INT64_MAX - length)
        return -ENOEXEC;
    ssize_t count = file_pread_full(fd, buffer, length, (off_t)offset);
    if (count < 0)
        return (int)count;
    return (size_t)count == length ? 0 : -ENOEXEC;
}

static int read_segment(int fd, const Elf64_Phdr *segment, char **interpreter)
{
    if (segment->p_filesz < 2 || segment->p_filesz > PATH_MAX)
        return -ENOEXEC;
    size_t length = (size_t)segment->p_filesz;
    auto_free char *name = malloc(length);
    if (!name)
        return -ENOMEM;
    int result = read_exactly(fd, name, length, segment->p_offset);
    if (result < 0)
        return result;
    if (name[0] != '/' || memchr(name, '\0', length) != name + length - 1)
        return -ENOEXEC;
    *interpreter = steal_pointer(name);
    return 0;
}

int interpreter_read(const char *path, char **interpreter)
{
    *interpreter = NULL;
    auto_fd int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    Elf64_Ehdr header;
    int result = read_exactly(fd, &header, sizeof header, 0);
    if (result == -ENOEXEC || (result == 0 && !header_is_native(&header)))
        return 0;
    if (result < 0)
        return result;
    if (header.e_phnum > 0 && header.e_phentsize != sizeof(Elf64_Phdr))
        return -ENOEXEC;
    for (uint64_t index = 0; index < header.e_phnum; index++) {
        Elf64_Phdr segment;
        if (header.e_phoff > INT64_MAX / 2)
            return -ENOEXEC;
        result =
            read_exactly(fd, &segment, sizeof segment, header.e_phoff + index * sizeof(Elf64_Phdr));
        if (result < 0)
            return result;
        if (segment.p_type == PT_INTERP)
            return read_segment(fd, &segment, interpreter);
    }
    return 0;
}

int interpreter_find(const char *path, const char *libraries, char **loader)
{
    *loader = NULL;
    auto_free char *interpreter = NULL;
    int result = interpreter_read(path, &interpreter);
    if (result < 0 || !interpreter)
        return result;
    auto_text struct text name = TEXT_INIT;
    result = text_printf(&name, "%s%s", libraries, strrchr(interpreter, '/'));
    if (result == 0 && access(name.bytes, X_OK) == 0)
        *loader = text_steal(&name);
    return result;
}
