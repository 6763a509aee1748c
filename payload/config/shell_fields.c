/* From an expansion to strings: as one, as a pattern, as fields. */
#include <errno.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/config/shell_expand.h"
#include "payload/config/shell_pattern.h"

static unsigned mark_at(const struct expansion *expansion, size_t i)
{
    return (unsigned char)expansion->marks.bytes[i];
}

/* How many bytes from `i` on have the same mark. */
static size_t run_at(const struct expansion *expansion, size_t i)
{
    size_t end = i + 1;
    while (end < expansion->bytes.length && mark_at(expansion, end) == mark_at(expansion, i))
        end++;
    return end - i;
}

int expansion_string(const struct expansion *expansion, struct text *text)
{
    int result = text_reserve(text, expansion->bytes.length);
    for (size_t i = 0; result == 0 && i < expansion->bytes.length;) {
        const size_t run = mark_at(expansion, i) & MARK_BREAK ? 1 : run_at(expansion, i);
        if (mark_at(expansion, i) & MARK_BREAK)
            result = text_append_string(text, " ");
        else if (!(mark_at(expansion, i) & MARK_EMPTY))
            result = text_append(text, expansion->bytes.bytes + i, run);
        i += run;
    }
    /* An empty string is a string: the bytes must be there. */
    return result < 0 ? result : text_append(text, "", 0);
}

int expansion_pattern(const struct expansion *expansion, struct text *pattern)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < expansion->bytes.length; i++) {
        if (mark_at(expansion, i) & (MARK_BREAK | MARK_EMPTY))
            continue;
        if (mark_at(expansion, i) & MARK_QUOTED)
            result = text_append_string(pattern, "\\");
        if (result == 0)
            result = text_append(pattern, expansion->bytes.bytes + i, 1);
    }
    return result < 0 ? result : text_append(pattern, "", 0);
}

/* A field that is being collected. */
struct field {
    struct expansion content;
    bool present;        /* also when it is empty: "" */
    bool ended_by_space; /* the one before: a delimiter right behind the space belongs to it */
};

/* A bracket alone is none: the name of the command "[" must not cost a look at the directory. */
static bool is_active_pattern(const struct expansion *expansion)
{
    bool bracket = false;
    for (size_t i = 0; i < expansion->bytes.length; i++) {
        if (mark_at(expansion, i) & MARK_QUOTED)
            continue;
        const char c = expansion->bytes.bytes[i];
        if (c == '*' || c == '?' || (c == ']' && bracket))
            return true;
        bracket |= c == '[';
    }
    return false;
}

static int end_field(struct shell *shell, struct field *field, struct strings *fields)
{
    const size_t before = fields->count;
    int result = shell_spend(shell, 32 + field->content.bytes.length);
    if (result == 0 && is_active_pattern(&field->content)) {
        auto_text struct text pattern = TEXT_INIT;
        result = expansion_pattern(&field->content, &pattern);
        if (result == 0)
            result = pattern_paths(shell->directory, pattern.bytes, fields);
        if (result >= 0)
            result = shell_spend(shell, 4096 + 64 * (size_t)result); /* directories were read */
    }
    if (result == 0 && fields->count == before)
        result = strings_add(fields, field->content.bytes.length ? field->content.bytes.bytes : "");
    expansion_free(&field->content);
    field->present = false;
    return result;
}

static int add_delimiter(struct shell *shell, struct field *field, char c, struct strings *fields)
{
    bool space = c == ' ' || c == '\t' || c == '\n';
    int result = 0;
    if (field->present || (!space && !field->ended_by_space))
        result = end_field(shell, field, fields);
    else if (space)
        return 0;
    field->ended_by_space = space;
    return result;
}

int expansion_fields(struct shell *shell, const struct expansion *expansion, struct strings *fields)
{
    const struct variable *ifs = variables_find(&shell->variables, "IFS");
    auto_free char *delimiters = strdup(ifs && ifs->value ? ifs->value : " \t\n");
    struct field field = {.content = EXPANSION_INIT, .present = false, .ended_by_space = false};
    int result = delimiters ? 0 : -ENOMEM;
    size_t taken = 1;
    for (size_t i = 0; result == 0 && i < expansion->bytes.length; i += taken) {
        const unsigned mark = mark_at(expansion, i);
        const char c = expansion->bytes.bytes[i];
        taken = 1;
        if (mark & MARK_EMPTY) {
            field.present = true;
        } else if (mark & MARK_BREAK) {
            if (field.present)
                result = end_field(shell, &field, fields);
        } else if ((mark & MARK_SPLIT) && c && strchr(delimiters, c)) {
            result = add_delimiter(shell, &field, c, fields);
        } else {
            field.present = true;
            field.ended_by_space = false;
            if (!(mark & MARK_SPLIT))
                taken = run_at(expansion, i);
            result = expansion_add(shell, &field.content, expansion->bytes.bytes + i, taken, mark);
        }
    }
    if (result == 0 && field.present)
        result = end_field(shell, &field, fields);
    expansion_free(&field.content);
    return result;
}
