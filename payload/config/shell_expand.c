/* Quotes, backslashes, backquotes and tildes. What stands behind a dollar is in shell_parameter.c,
 * the cutting into fields in shell_fields.c. */
#include "payload/config/shell_expand.h"

#include <errno.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/config/shell_process.h"

void expansion_free(struct expansion *expansion)
{
    text_free(&expansion->bytes);
    text_free(&expansion->marks);
}

enum { EXPANSION_LIMIT = 1 << 20 };

int expansion_add(struct shell *shell, struct expansion *expansion, const char *bytes,
                  size_t length, unsigned mark)
{
    if (length > EXPANSION_LIMIT - expansion->bytes.length)
        return shell_fail(shell, -E2BIG, "a value is longer than %d bytes", EXPANSION_LIMIT);
    int result = shell_spend(shell, length);
    if (result == 0)
        result = text_append(&expansion->bytes, bytes, length);
    if (result == 0)
        result = text_reserve(&expansion->marks, length);
    if (result < 0)
        return result;
    if (length)
        memset(expansion->marks.bytes + expansion->marks.length, (int)mark, length);
    expansion->marks.length += length;
    return 0;
}

static int expand_backslash(struct shell *shell, const char *text, size_t length, size_t *at,
                            unsigned mark, struct expansion *expansion)
{
    const size_t begin = (*at)++;
    if (*at >= length)
        return expansion_add(shell, expansion, "\\", 1, mark | MARK_QUOTED);
    const char c = text[(*at)++];
    if (c == '\n')
        return 0;
    if ((mark & MARK_QUOTED) && !strchr("$`\"\\", c))
        return expansion_add(shell, expansion, text + begin, 2, mark);
    return expansion_add(shell, expansion, &c, 1, (mark | MARK_QUOTED) & ~(unsigned)MARK_SPLIT);
}

/* "..." with *at on the opening quote. */
static int expand_double_quotes(struct shell *shell, const char *text, size_t length, size_t *at,
                                struct expansion *expansion)
{
    const size_t begin = *at + 1;
    int result = scan_piece(text, length, at, false, 0);
    if (result < 0)
        return shell_fail(shell, -EINVAL, "quotes do not end");
    const size_t inner = *at - 1 - begin;
    /* "$@" of no parameters is no field at all. */
    bool parameters = inner == 2 && memcmp(text + begin, "$@", 2) == 0;
    if (!parameters)
        result = expansion_add(shell, expansion, "", 1, MARK_EMPTY | MARK_QUOTED);
    if (result == 0)
        result = expand(shell, text + begin, inner, MARK_QUOTED, expansion);
    return result;
}

static int expand_single_quotes(struct shell *shell, const char *text, size_t length, size_t *at,
                                struct expansion *expansion)
{
    const size_t begin = *at + 1;
    if (scan_piece(text, length, at, false, 0) < 0)
        return shell_fail(shell, -EINVAL, "quotes do not end");
    int result = expansion_add(shell, expansion, "", 1, MARK_EMPTY | MARK_QUOTED);
    if (result < 0)
        return result;
    return expansion_add(shell, expansion, text + begin, *at - 1 - begin, MARK_QUOTED);
}

static int expand_backquotes(struct shell *shell, const char *text, size_t length, size_t *at,
                             unsigned mark, struct expansion *expansion)
{
    const size_t begin = *at + 1;
    if (scan_piece(text, length, at, false, 0) < 0)
        return shell_fail(shell, -EINVAL, "backquotes do not end");
    const size_t inner = *at - 1 - begin;
    char *program = arena_copy(&shell->arena, text + begin, inner);
    if (!program)
        return shell_fail(shell, -ENOMEM, "too much to evaluate");
    size_t written = 0;
    for (size_t i = 0; i < inner; i++) {
        const char *escapable = mark & MARK_QUOTED ? "$`\\\"" : "$`\\";
        if (program[i] == '\\' && i + 1 < inner && strchr(escapable, program[i + 1]))
            i++;
        program[written++] = program[i];
    }
    return shell_substitute(shell, program, written, mark, expansion);
}

static int expand_piece(struct shell *shell, const char *text, size_t length, size_t *at,
                        unsigned mark, struct expansion *expansion)
{
    const bool quoted = mark & MARK_QUOTED;
    switch (text[*at]) {
    case '\\':
        return expand_backslash(shell, text, length, at, mark, expansion);
    case '$':
        return expand_parameter(shell, text, length, at, mark, expansion);
    case '`':
        return expand_backquotes(shell, text, length, at, mark, expansion);
    case '"':
        if (!quoted)
            return expand_double_quotes(shell, text, length, at, expansion);
        (*at)++; /* "${NAME-"word"}": quoted already */
        return 0;
    default:
        if (!quoted)
            return expand_single_quotes(shell, text, length, at, expansion);
        return expansion_add(shell, expansion, text + (*at)++, 1, mark);
    }
}

int expand(struct shell *shell, const char *text, size_t length, unsigned mark,
           struct expansion *expansion)
{
    int result = shell_enter(shell);
    if (result < 0)
        return result;
    result = shell_spend(shell, 16 + length);
    for (size_t at = 0; result == 0 && at < length;) {
        size_t plain = at;
        while (plain < length && !(text[plain] && strchr("\\'\"`$", text[plain])))
            plain++;
        if (plain > at)
            result = expansion_add(shell, expansion, text + at, plain - at, mark);
        else
            result = expand_piece(shell, text, length, &plain, mark, expansion);
        at = plain;
    }
    shell_leave(shell);
    return result;
}

/* A leading ~ or ~/ is the home directory; those of other users are left alone. */
static int expand_word(struct shell *shell, const char *text, size_t length,
                       struct expansion *expansion)
{
    const char *home = shell_get(shell, "HOME");
    if (length > 0 && text[0] == '~' && (length == 1 || text[1] == '/') && home) {
        int result =
            expansion_add(shell, expansion, home, strlen(home), MARK_QUOTED | MARK_FOREIGN);
        if (result < 0)
            return result;
        text++;
        length--;
    }
    return expand(shell, text, length, 0, expansion);
}

int expand_assignment(struct shell *shell, const char *name, const char *text, size_t length,
                      struct text *value)
{
    auto_expansion struct expansion expansion = EXPANSION_INIT;
    int result = expand_word(shell, text, length, &expansion);
    return result < 0 ? result : expansion_relocate(shell, name, &expansion, value);
}

int expand_string(struct shell *shell, const char *text, size_t length, struct text *value)
{
    auto_expansion struct expansion expansion = EXPANSION_INIT;
    int result = expand_word(shell, text, length, &expansion);
    return result < 0 ? result : expansion_string(&expansion, value);
}

int expand_pattern(struct shell *shell, const char *text, size_t length, struct text *pattern)
{
    auto_expansion struct expansion expansion = EXPANSION_INIT;
    int result = expand_word(shell, text, length, &expansion);
    return result < 0 ? result : expansion_pattern(&expansion, pattern);
}

/* A path in a command is that of the dist tree where it has one. */
static int relocate_argument(struct shell *shell, struct expansion *expansion)
{
    if (shell->options.relocation_count == 0 || !expansion_is_path(expansion))
        return 0;
    auto_text struct text path = TEXT_INIT;
    auto_text struct text plain = TEXT_INIT;
    int result = expansion_relocate(shell, NULL, expansion, &path);
    if (result == 0)
        result = expansion_string(expansion, &plain);
    if (result < 0 || !path.bytes || !plain.bytes || strcmp(path.bytes, plain.bytes) == 0)
        return result;
    expansion_free(expansion);
    return expansion_add(shell, expansion, path.bytes, path.length, MARK_QUOTED | MARK_FOREIGN);
}

int expand_argument(struct shell *shell, const char *text, size_t length, struct text *value)
{
    auto_expansion struct expansion expansion = EXPANSION_INIT;
    int result = expand_word(shell, text, length, &expansion);
    if (result == 0)
        result = relocate_argument(shell, &expansion);
    return result < 0 ? result : expansion_string(&expansion, value);
}

int expand_fields(struct shell *shell, const char *text, size_t length, struct strings *fields)
{
    auto_expansion struct expansion expansion = EXPANSION_INIT;
    int result = expand_word(shell, text, length, &expansion);
    if (result == 0)
        result = relocate_argument(shell, &expansion);
    return result < 0 ? result : expansion_fields(shell, &expansion, fields);
}
