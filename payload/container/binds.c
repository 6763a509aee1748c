/* The two grammars. In that of -B there is a way to write some commas and colons, but not in all
 * versions and not for all: what is special in it is not written in it. */
#include "payload/container/binds.h"

#include <errno.h>
#include <string.h>

/* What the grammar splits at, and what it takes for a way to write that; a caret belongs to what
 * apptainer 1 splits at. */
static const char special[] = ",:\\^\"\n\r";

static bool is_blank(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\v' || letter == '\f';
}

/* Blanks are taken off both ends of a part. */
static bool is_plain(const char *path)
{
    const size_t length = strlen(path);
    return length > 0 && path[strcspn(path, special)] == '\0' && !is_blank(path[0]) &&
           !is_blank(path[length - 1]);
}

bool bind_is_plain(const struct bind *bind)
{
    return is_plain(bind->source) && (!bind->image_source || is_plain(bind->image_source));
}

int bind_write(const struct bind *bind, struct text *words)
{
    int result = text_printf(words, "%s:%s", bind->source, bind->destination);
    if (result == 0 && bind->image_source)
        result = text_printf(words, ":image-src=%s", bind->image_source);
    else if (result == 0 && bind->read_only)
        result = text_append_string(words, ":ro");
    return result;
}

/* Appends ",KEY=VALUE" as one field. */
static int write_field(const char *key, const char *value, struct text *words)
{
    if (value[strcspn(value, "\n\r")])
        return -EINVAL;
    const bool quoted = value[strcspn(value, ",\"")] != '\0';
    int result = text_printf(words, ",%s%s=", quoted ? "\"" : "", key);
    for (; result == 0 && *value; value++)
        result = text_append(words, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
    return result == 0 && quoted ? text_append_string(words, "\"") : result;
}

int bind_write_mount(const struct bind *bind, struct text *words)
{
    int result = text_append_string(words, "type=bind");
    if (result == 0)
        result = write_field("source", bind->source, words);
    if (result == 0)
        result = write_field("destination", bind->destination, words);
    if (result == 0 && bind->image_source)
        result = write_field("image-src", bind->image_source, words);
    return result == 0 && bind->read_only ? text_append_string(words, ",ro") : result;
}
