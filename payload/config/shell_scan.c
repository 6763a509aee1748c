/* Finding where quoted and expanded pieces of a word end, without looking at what they mean. Used
 * by the lexer, which must not stop at a blank inside of them, and again when a word is expanded.
 *
 * Inside $(...) parentheses are counted, quotes and comments respected; a case pattern there needs
 * its opening parenthesis. */
#include <errno.h>
#include <string.h>

#include "payload/config/shell_syntax.h"

enum { SCAN_DEPTH = 48 };

size_t name_length(const char *text, size_t length)
{
    size_t i = 0;
    while (i < length &&
           (text[i] == '_' || (text[i] >= 'A' && text[i] <= 'Z') ||
            (text[i] >= 'a' && text[i] <= 'z') || (i > 0 && text[i] >= '0' && text[i] <= '9')))
        i++;
    return i;
}

size_t assignment_length(const char *text, size_t length)
{
    size_t i = name_length(text, length);
    if (i == 0)
        return 0;
    if (i + 1 < length && text[i] == '+' && text[i + 1] == '=')
        return i + 2;
    return i < length && text[i] == '=' ? i + 1 : 0;
}

static int scan_until(const char *text, size_t length, size_t *at, char end)
{
    const char *found = *at < length ? memchr(text + *at, end, length - *at) : NULL;
    if (!found)
        return -EINVAL;
    *at = (size_t)(found - text) + 1;
    return 0;
}

static int scan_backquotes(const char *text, size_t length, size_t *at)
{
    for (; *at < length; (*at)++) {
        if (text[*at] == '\\') {
            (*at)++;
        } else if (text[*at] == '`') {
            (*at)++;
            return 0;
        }
    }
    return -EINVAL;
}

/* *at is behind the opening quote. */
static int scan_double_quotes(const char *text, size_t length, size_t *at, unsigned depth)
{
    while (*at < length) {
        char c = text[*at];
        if (c == '"') {
            (*at)++;
            return 0;
        }
        int result = 0;
        if (c == '\\' || c == '$' || c == '`')
            result = scan_piece(text, length, at, true, depth);
        else
            (*at)++;
        if (result < 0)
            return result;
    }
    return -EINVAL;
}

int scan_braces(const char *text, size_t length, size_t *at, bool quoted, unsigned depth)
{
    /* "${X:-it's}" has no quotes in it, "${X#'it'}" has. */
    size_t operator= * at + name_length(text + *at, length - *at);
    bool pattern = operator> *at && operator< length &&(text[operator] == '#' ||
                                                         text[operator] == '%');
    const char *special = quoted && !pattern ? "\\\"`$" : "\\'\"`$";
    while (*at < length) {
        char c = text[*at];
        if (c == '}') {
            (*at)++;
            return 0;
        }
        int result = 0;
        if (c && strchr(special, c))
            result = scan_piece(text, length, at, quoted, depth);
        else
            (*at)++;
        if (result < 0)
            return result;
    }
    return -EINVAL;
}

/* *at is behind the opening parenthesis. Comments count in commands only, where `#` begins a word.
 */
static int scan_parentheses(const char *text, size_t length, size_t *at, unsigned depth,
                            bool commands)
{
    unsigned open = 1;
    char before = ' ';
    while (*at < length) {
        char c = text[*at];
        int result = 0;
        if (commands && c == '#' && strchr(" \t\n;&|()", before)) {
            while (*at < length && text[*at] != '\n')
                (*at)++;
        } else if (c && strchr("\\'\"`$", c)) {
            result = scan_piece(text, length, at, false, depth);
        } else {
            (*at)++;
            open += c == '(';
            open -= c == ')';
            if (open == 0)
                return 0;
        }
        if (result < 0)
            return result;
        before = c;
    }
    return -EINVAL;
}

static int scan_dollar(const char *text, size_t length, size_t *at, bool quoted, unsigned depth)
{
    (*at)++;
    if (*at >= length)
        return 0;
    char c = text[*at];
    if (c == '{') {
        (*at)++;
        return scan_braces(text, length, at, quoted, depth);
    }
    if (c == '(') {
        (*at)++;
        bool arithmetic = *at < length && text[*at] == '(';
        return scan_parentheses(text, length, at, depth, !arithmetic);
    }
    return 0;
}

int scan_piece(const char *text, size_t length, size_t *at, bool quoted, unsigned depth)
{
    if (depth >= SCAN_DEPTH)
        return -E2BIG;
    switch (text[*at]) {
    case '\\':
        *at += *at + 1 < length ? 2 : 1;
        return 0;
    case '\'':
        (*at)++;
        return scan_until(text, length, at, '\'');
    case '"':
        (*at)++;
        return scan_double_quotes(text, length, at, depth + 1);
    case '`':
        (*at)++;
        return scan_backquotes(text, length, at);
    default:
        return scan_dollar(text, length, at, quoted, depth + 1);
    }
}
