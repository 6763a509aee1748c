/* The official client's textual view of a configuration file, which decides what is a parameter.
 * The shell decides what its value is. */
#include "payload/config/assignment_names.h"

#include <string.h>

#include "payload/config/shell_syntax.h"

struct slice {
    const char *text;
    size_t length;
};

static struct slice trim(struct slice slice)
{
    static const char blanks[] = " \t\r";
    while (slice.length && strchr(blanks, slice.text[0]) && slice.text[0]) {
        slice.text++;
        slice.length--;
    }
    while (slice.length && strchr(blanks, slice.text[slice.length - 1]) &&
           slice.text[slice.length - 1])
        slice.length--;
    return slice;
}

static struct slice cut_at(struct slice slice, char c)
{
    const char *found = slice.length ? memchr(slice.text, c, slice.length) : NULL;
    if (found)
        slice.length = (size_t)(found - slice.text);
    return slice;
}

static struct slice drop_keyword(struct slice slice)
{
    static const char *const keywords[] = {"readonly ", "export ", "eval "};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        const size_t length = strlen(keywords[i]);
        if (slice.length < length || memcmp(slice.text, keywords[i], length) != 0)
            continue;
        slice.text += length;
        slice.length -= length;
        return trim(slice);
    }
    return slice;
}

static bool parse_line(struct slice text, struct assignment_line *line)
{
    text = drop_keyword(trim(cut_at(text, '#')));
    const size_t name = name_length(text.text, text.length);
    if (name == 0 || name == text.length || text.text[name] != '=')
        return false;
    struct slice value = trim((struct slice){text.text + name + 1, text.length - name - 1});
    *line = (struct assignment_line){
        .name = text.text, .name_length = name, .value = value.text, .value_length = value.length};
    return true;
}

bool assignment_next(const char *text, size_t length, size_t *at, struct assignment_line *line)
{
    while (*at < length) {
        struct slice rest = cut_at((struct slice){text + *at, length - *at}, '\n');
        *at += rest.length + 1;
        if (parse_line(rest, line))
            return true;
    }
    return false;
}
