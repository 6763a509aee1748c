/* Matching of strings. Not fnmatch(3): that differs between C libraries and may take exponential
 * time. */
#include "payload/config/shell_pattern.h"

#include <string.h>

static bool is_in_class(const char *name, size_t length, unsigned char c)
{
    const bool upper = c >= 'A' && c <= 'Z';
    const bool lower = c >= 'a' && c <= 'z';
    const bool digit = c >= '0' && c <= '9';
    const bool printable = c > ' ' && c < 0x7f;
    const struct {
        const char *name;
        bool is_in;
    } classes[] = {
        {"alpha", upper || lower},
        {"digit", digit},
        {"alnum", upper || lower || digit},
        {"upper", upper},
        {"lower", lower},
        {"space", c == ' ' || (c >= '\t' && c <= '\r')},
        {"blank", c == ' ' || c == '\t'},
        {"punct", printable && !upper && !lower && !digit},
        {"xdigit", digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].name) == length && memcmp(classes[i].name, name, length) == 0)
            return classes[i].is_in;
    return false;
}

/* One byte of a bracket expression, perhaps escaped. */
static unsigned char take_byte(const char **pattern)
{
    if (**pattern == '\\' && (*pattern)[1])
        (*pattern)++;
    return (unsigned char)*(*pattern)++;
}

/* *pattern is behind "[". Returns false, and leaves it there, when no "]" ends the expression: the
 * bracket is an ordinary one then. */
static bool match_bracket(const char **pattern, unsigned char c, bool *matches)
{
    const char *p = *pattern;
    const bool inverted = *p == '!' || *p == '^';
    p += inverted;
    bool found = false;
    for (bool first = true; first || *p != ']'; first = false) {
        if (*p == '\0')
            return false;
        if (p[0] == '[' && p[1] == ':') {
            const char *end = strstr(p + 2, ":]");
            if (end) {
                found |= is_in_class(p + 2, (size_t)(end - p - 2), c);
                p = end + 2;
                continue;
            }
        }
        unsigned char low = take_byte(&p);
        unsigned char high = low;
        if (p[0] == '-' && p[1] && p[1] != ']') {
            p++;
            high = take_byte(&p);
        }
        found |= low <= c && c <= high;
    }
    *pattern = p + 1;
    *matches = found != inverted;
    return true;
}

/* Does the one element at *pattern (no star) match `c`? Moves behind it. */
static bool match_one(const char **pattern, unsigned char c)
{
    const char p = *(*pattern)++;
    if (p == '?')
        return true;
    bool matches;
    if (p == '[' && match_bracket(pattern, c, &matches))
        return matches;
    if (p == '\\' && **pattern)
        return (unsigned char)*(*pattern)++ == c;
    return (unsigned char)p == c;
}

bool pattern_match(const char *pattern, const char *bytes, size_t length)
{
    const char *star = NULL; /* behind the last one */
    size_t star_at = 0;
    size_t at = 0;
    while (at < length || *pattern == '*') {
        if (*pattern == '*') {
            star = ++pattern;
            star_at = at;
            continue;
        }
        const char *before = pattern;
        if (*pattern && match_one(&pattern, (unsigned char)bytes[at])) {
            at++;
            continue;
        }
        pattern = before;
        if (!star)
            return false;
        at = ++star_at;
        pattern = star;
    }
    return *pattern == '\0';
}
