/* Headers are checked by their sum, numbers by their digits, names by their parts. Nothing is
 * written to disk here and nothing is allocated. */
#include "stub/tar.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct tar_header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char target[100];
    char magic[6];
    char version[2];
    char owner[32];
    char group[32];
    char major[8];
    char minor[8];
    char prefix[155];
    char unused[12];
};

_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a header is one block");

/* No file of a bundle is longer: keeps all sums of sizes far from overflow. */
static const uint64_t size_limit = UINT64_C(1) << 48;

void tar_open(struct tar_reader *reader, const uint8_t *bytes, size_t length)
{
    reader->bytes = bytes;
    reader->length = length;
    reader->offset = 0;
}

uint64_t tar_padded_size(uint64_t size)
{
    return (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
}

/* An octal number with blanks around it, or (the first bit set) a big-endian binary one. */
static bool parse_number(const char *field, size_t length, uint64_t *value)
{
    *value = 0;
    if ((unsigned char)field[0] == 0x80) {
        for (size_t i = 1; i < length; i++) {
            if (*value >> 56 != 0)
                return false;
            *value = *value << 8 | (unsigned char)field[i];
        }
        return true;
    }
    size_t i = 0;
    while (i < length && field[i] == ' ')
        i++;
    size_t first = i;
    for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
        *value = *value << 3 | (uint64_t)(field[i] - '0'); /* at most 12 digits: 36 bits */
    return i > first && (i == length || field[i] == ' ' || field[i] == '\0');
}

static bool checksum_is_right(const struct tar_header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    uint64_t sum = 0;
    uint64_t expected;
    for (size_t i = 0; i < sizeof *header; i++)
        sum += bytes[i];
    for (size_t i = 0; i < sizeof header->checksum; i++)
        sum += ' ' - (uint64_t)(unsigned char)header->checksum[i];
    return parse_number(header->checksum, sizeof header->checksum, &expected) && sum == expected;
}

static bool block_is_zero(const uint8_t *block)
{
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (block[i] != 0)
            return false;
    }
    return true;
}

/* Takes slashes off the end; what remains must be a relative path of real parts. */
static bool clean_name(char *name)
{
    size_t length = strlen(name);
    while (length > 0 && name[length - 1] == '/')
        name[--length] = '\0';
    for (const char *part = name;; part++) {
        size_t part_length = strcspn(part, "/");
        if (part_length == 0 || (part_length == 1 && part[0] == '.') ||
            (part_length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += part_length;
        if (*part == '\0')
            return true;
    }
}

/* The name of a header: the prefix field belongs to POSIX ("ustar\0"), GNU ("ustar ") has other
 * things there. */
static void take_header_name(const struct tar_header *header, char *name)
{
    size_t length = 0;
    if (memcmp(header->magic, "ustar", sizeof header->magic) == 0 && header->prefix[0] != '\0') {
        length = strnlen(header->prefix, sizeof header->prefix);
        memcpy(name, header->prefix, length);
        name[length++] = '/';
    }
    size_t rest = strnlen(header->name, sizeof header->name);
    memcpy(name + length, header->name, rest);
    name[length + rest] = '\0';
}

/* The long name that is the content of an L or K entry. */
static bool take_long_name(const uint8_t *data, uint64_t size, char *name)
{
    if (size == 0 || size > TAR_NAME_LIMIT || data[size - 1] != '\0')
        return false;
    memcpy(name, data, (size_t)size);
    return strlen(name) == size - 1 && size > 1;
}

static bool take_type(char type, struct tar_entry *entry)
{
    switch (type) {
    case '0':
    case '\0':
        entry->type = TAR_FILE;
        return true;
    case '5':
        entry->type = TAR_DIRECTORY;
        return true;
    case '2':
        entry->type = TAR_SYMLINK;
        return true;
    default:
        return false;
    }
}

static int refuse(struct error *error, const char *words)
{
    return error_set(error, -EBADMSG, "tar archive: %s", words);
}

/* Reads the header at the reader's offset and steps behind it: 1, 0 at the end, or -EBADMSG. */
static int read_header(struct tar_reader *reader, struct tar_header *header, uint64_t *size,
                       struct error *error)
{
    size_t left = reader->length - reader->offset;
    if (left == 0)
        return 0;
    if (left < TAR_BLOCK)
        return refuse(error, "it ends inside a header");
    const uint8_t *block = reader->bytes + reader->offset;
    if (block_is_zero(block))
        return 0;
    memcpy(header, block, sizeof *header);
    if (memcmp(header->magic, "ustar", 5) != 0 || !checksum_is_right(header))
        return refuse(error, "a header is damaged");
    if (!parse_number(header->size, sizeof header->size, size) || *size > size_limit)
        return refuse(error, "a size is out of range");
    reader->offset += TAR_BLOCK;
    return 1;
}

/* The content behind a header, which an entry may have in the following bytes too. */
static void take_data(struct tar_reader *reader, struct tar_entry *entry)
{
    size_t left = reader->length - reader->offset;
    entry->data = reader->bytes + reader->offset;
    entry->data_length = entry->size < left ? (size_t)entry->size : left;
    uint64_t padded = tar_padded_size(entry->size);
    reader->offset += padded < left ? (size_t)padded : left;
}

int tar_next(struct tar_reader *reader, struct tar_entry *entry, struct error *error)
{
    struct tar_header header;
    bool long_name = false;
    bool long_target = false;
    for (;;) {
        int result = read_header(reader, &header, &entry->size, error);
        if (result < 0)
            return result;
        if (result == 0)
            return long_name || long_target ? refuse(error, "a long name without its entry") : 0;
        if (header.type != 'L' && header.type != 'K')
            break;
        bool *seen = header.type == 'L' ? &long_name : &long_target;
        take_data(reader, entry);
        if (*seen || entry->data_length != entry->size ||
            !take_long_name(entry->data, entry->size,
                            header.type == 'L' ? reader->name : reader->target))
            return refuse(error, "a long name is damaged");
        *seen = true;
    }

    uint64_t mode;
    if (!take_type(header.type, entry))
        return refuse(error, "an entry of a type that no bundle has");
    if (!parse_number(header.mode, sizeof header.mode, &mode))
        return refuse(error, "a mode is damaged");
    if (!long_name)
        take_header_name(&header, reader->name);
    if (!long_target) {
        size_t length = strnlen(header.target, sizeof header.target);
        memcpy(reader->target, header.target, length);
        reader->target[length] = '\0';
    }
    if (!clean_name(reader->name))
        return refuse(error, "a name leads out of the tree");
    if (entry->type == TAR_SYMLINK ? reader->target[0] == '\0' : reader->target[0] != '\0')
        return refuse(error, "a link without a target, or a target without a link");
    if (entry->type != TAR_FILE && entry->size != 0)
        return refuse(error, "content where there can be none");
    entry->mode = (mode_t)mode & 07777;
    entry->name = reader->name;
    entry->target = reader->target;
    take_data(reader, entry);
    return 1;
}
