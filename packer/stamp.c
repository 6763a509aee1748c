/* The stamp's text and nothing else: whether a tree fits a purpose, the callers decide. */
#include "packer/stamp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "payload/base/file.h"
#include "payload/base/text.h"

#define STAMP_NAME ".cvmfsexecdist"
#define STAMP_LIMIT ((size_t)4096)

const char *stamp_disttype(bool sing)
{
    return sing ? "sing" : "standard";
}

int stamp_write(int tree, const struct stamp *stamp, struct error *error)
{
    auto_text struct text text = TEXT_INIT;
    int result = text_printf(&text, "disttype: %s\nmachtype: %s\n", stamp_disttype(stamp->sing),
                             stamp->machtype);
    if (result == 0)
        result = file_replace(tree, STAMP_NAME, text.bytes, text.length, 0644);
    return result < 0 ? error_system(error, result, "writing %s", STAMP_NAME) : 0;
}

/* Copies the value of the line "KEY: value"; false when there is none or it does not fit. */
static bool find_value(const char *text, const char *key, char *value, size_t room)
{
    const size_t key_length = strlen(key);
    for (const char *line = text; *line; line += strspn(line, "\n")) {
        const size_t length = strcspn(line, "\n");
        if (length > key_length && memcmp(line, key, key_length) == 0) {
            const int written =
                snprintf(value, room, "%.*s", (int)(length - key_length), line + key_length);
            return written > 0 && (size_t)written < room;
        }
        line += length;
    }
    return false;
}

/* Machine types are names: letters, digits and a few signs, so that they can stand in file names
 * and notes. */
static bool is_name(const char *name)
{
    return name[strspn(
               name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

int stamp_read(int tree, struct stamp *stamp, struct error *error)
{
    auto_text struct text text = TEXT_INIT;
    int result = file_load(tree, STAMP_NAME, STAMP_LIMIT, &text);
    if (result < 0)
        return error_system(error, result, "reading %s", STAMP_NAME);
    char disttype[16];
    if (!text.bytes || !find_value(text.bytes, "disttype: ", disttype, sizeof disttype) ||
        !find_value(text.bytes, "machtype: ", stamp->machtype, sizeof stamp->machtype) ||
        !is_name(stamp->machtype))
        return error_set(error, -EINVAL, "%s does not say disttype and machtype", STAMP_NAME);
    stamp->sing = strcmp(disttype, stamp_disttype(true)) == 0;
    if (!stamp->sing && strcmp(disttype, stamp_disttype(false)) != 0)
        return error_set(error, -EINVAL, "%s: unknown disttype %s", STAMP_NAME, disttype);
    return 0;
}
