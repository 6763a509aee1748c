/* Lines like "36 35 98:0 /root /mount\040point rw,noatime master:1 - fuse source rw". */
#include "payload/launch/mount_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/base/text.h"

#define TABLE_LIMIT (16 << 20)

struct span {
    const char *bytes;
    size_t length;
};

/* Takes the next word, up to a blank, off the front of `line`; an empty one at its end. */
static struct span take_word(struct span *line)
{
    const char *blank = line->length ? memchr(line->bytes, ' ', line->length) : NULL;
    struct span word = {line->bytes, blank ? (size_t)(blank - line->bytes) : line->length};
    size_t taken = word.length + (blank != NULL);
    line->bytes += taken;
    line->length -= taken;
    return word;
}

static bool span_is(struct span span, const char *word)
{
    return span.length == strlen(word) && memcmp(span.bytes, word, span.length) == 0;
}

static bool is_fuse(struct span type)
{
    return span_is(type, "fuse") || (type.length > 5 && memcmp(type.bytes, "fuse.", 5) == 0);
}

static bool is_octal(char digit)
{
    return digit >= '0' && digit <= '7';
}

/* Blanks and the like are written as a backslash and three octal digits. NULL without memory. */
static char *decode(struct span word)
{
    char *name = malloc(word.length + 1);
    if (!name)
        return NULL;
    size_t length = 0;
    for (size_t at = 0; at < word.length; at++) {
        const char *rest = word.bytes + at;
        if (*rest == '\\' && word.length - at > 3 && is_octal(rest[1]) && is_octal(rest[2]) &&
            is_octal(rest[3])) {
            name[length++] =
                (char)(((rest[1] - '0') * 64 + (rest[2] - '0') * 8 + (rest[3] - '0')) & 0xff);
            at += 3;
        } else {
            name[length++] = *rest;
        }
    }
    name[length] = '\0';
    return name;
}

static bool is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static int parse_line(struct span line, const char *directory, struct strings *mount_points)
{
    const int words_before_mount_point = 4;
    for (int word = 0; word < words_before_mount_point; word++)
        (void)take_word(&line);
    struct span mount_point = take_word(&line);
    struct span word;
    do
        word = take_word(&line);
    while (line.length > 0 && !span_is(word, "-"));
    if (!is_fuse(take_word(&line)))
        return 0;
    auto_free char *path = decode(mount_point);
    if (!path)
        return -ENOMEM;
    return is_below(path, directory) ? strings_take(mount_points, steal_pointer(path)) : 0;
}

int mount_table_parse(const char *bytes, size_t length, const char *directory,
                      struct strings *mount_points)
{
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        struct span line = {bytes, end ? (size_t)(end - bytes) : length};
        int result = parse_line(line, directory, mount_points);
        if (result < 0)
            return result;
        size_t taken = line.length + (end != NULL);
        bytes += taken;
        length -= taken;
    }
    return 0;
}

int mount_table_read(const char *directory, struct strings *mount_points)
{
    auto_text struct text table = TEXT_INIT;
    int result = file_load(AT_FDCWD, "/proc/self/mountinfo", TABLE_LIMIT, &table);
    if (result < 0)
        return result;
    return mount_table_parse(table.bytes, table.length, directory, mount_points);
}
