/* What stands behind a dollar: names, special parameters, ${...} with its operators, $(...),
 * $((...)).*/
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/config/shell_arithmetic.h"
#include "payload/config/shell_expand.h"
#include "payload/config/shell_pattern.h"
#include "payload/config/shell_process.h"

/* ${NAME:-WORD} taken apart. Length, name and operator of "${#NAME}" are kept likewise. */
struct reference {
    const char *name;
    size_t name_length;
    bool wants_length;
    bool empty_counts; /* the colon: set but empty is like unset */
    char operator;     /* 0 or one of - = + ? # % */
    bool longest;      /* ## or %% */
    const char *word;
    size_t word_length;
};

static bool is_special(char c)
{
    return c && strchr("@*#?$!-0123456789", c);
}

static size_t parameter_length(const char *text, size_t length)
{
    size_t name = name_length(text, length);
    if (name)
        return name;
    while (name < length && text[name] >= '0' && text[name] <= '9')
        name++;
    if (name)
        return name;
    return length > 0 && is_special(text[0]) ? 1 : 0;
}

/* The inside of ${...}. */
static bool parse_reference(const char *text, size_t length, struct reference *reference)
{
    *reference = (struct reference){0};
    if (length > 1 && text[0] == '#' && parameter_length(text + 1, length - 1) == length - 1) {
        reference->wants_length = true;
        text++;
        length--;
    }
    reference->name = text;
    reference->name_length = parameter_length(text, length);
    if (reference->name_length == 0)
        return false;
    size_t at = reference->name_length;
    if (at == length)
        return true;
    if (text[at] == ':') {
        reference->empty_counts = true;
        at++;
    }
    if (at == length || !strchr(reference->empty_counts ? "-=+?" : "-=+?#%", text[at]))
        return false;
    reference->operator= text[at++];
    if ((reference->operator== '#' || reference->operator== '%') && at < length &&
        text[at] == reference->operator) {
        reference->longest = true;
        at++;
    }
    reference->word = text + at;
    reference->word_length = length - at;
    return true;
}

static int positional_value(struct shell *shell, const char *name, size_t length,
                            struct text *value, bool *set)
{
    size_t number = 0;
    for (size_t i = 0; i < length && number < 1000000; i++)
        number = 10 * number + (size_t)(name[i] - '0');
    *set = number <= shell->positional.count;
    if (number == 0)
        return text_append_string(value, shell->file);
    return *set ? text_append_string(value, shell->positional.items[number - 1]) : 0;
}

static int all_positional(struct shell *shell, struct text *value)
{
    const char *ifs = shell_get(shell, "IFS");
    int result = 0;
    for (size_t i = 0; result == 0 && i < shell->positional.count; i++) {
        if (i)
            result = text_append(value, ifs ? ifs : " ", !ifs || *ifs ? 1 : 0);
        if (result == 0)
            result = text_append_string(value, shell->positional.items[i]);
    }
    return result;
}

static int special_value(struct shell *shell, char name, struct text *value, bool *set)
{
    switch (name) {
    case '@':
    case '*':
        *set = shell->positional.count > 0;
        return all_positional(shell, value);
    case '#':
        return text_printf(value, "%zu", shell->positional.count);
    case '?':
        return text_printf(value, "%d", shell->status);
    case '$':
        return text_printf(value, "%ld", (long)getpid());
    case '!':
        *set = false; /* nothing runs in the background */
        return 0;
    default:
        return 0; /* $-: no options */
    }
}

/* Names that have a value without having been assigned. */
static int dynamic_value(struct shell *shell, const char *name, struct text *value, bool *set)
{
    if (strcmp(name, "RANDOM") == 0)
        return text_printf(value, "%u", shell_random(shell));
    if (strcmp(name, "PWD") == 0)
        return text_append_string(value, shell->directory);
    if (strcmp(name, "LINENO") == 0)
        return text_printf(value, "%u", shell->line);
    if (strcmp(name, "UID") == 0)
        return text_printf(value, "%ld", (long)getuid());
    if (strcmp(name, "EUID") == 0)
        return text_printf(value, "%ld", (long)geteuid());
    char host[256] = "";
    if (strcmp(name, "HOSTNAME") == 0 && gethostname(host, sizeof host - 1) == 0)
        return text_append_string(value, host);
    *set = false;
    return 0;
}

static int parameter_value(struct shell *shell, const char *name, size_t length, struct text *value,
                           bool *set)
{
    *set = true;
    if (name[0] >= '0' && name[0] <= '9')
        return positional_value(shell, name, length, value, set);
    if (is_special(name[0]))
        return special_value(shell, name[0], value, set);
    auto_free char *copy = strndup(name, length);
    if (!copy)
        return -ENOMEM;
    const char *assigned = shell_get(shell, copy);
    if (assigned)
        return text_append_string(value, assigned);
    return dynamic_value(shell, copy, value, set);
}

static int add_value(struct shell *shell, const char *bytes, size_t length, unsigned mark,
                     struct expansion *expansion)
{
    return expansion_add(shell, expansion, bytes, length,
                         MARK_FOREIGN | (mark & MARK_QUOTED ? MARK_QUOTED : MARK_SPLIT));
}

/* $@, and $* without quotes: a field for each. */
static int add_positional(struct shell *shell, unsigned mark, struct expansion *expansion)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < shell->positional.count; i++) {
        const char *value = shell->positional.items[i];
        if (i)
            result = expansion_add(shell, expansion, "", 1, MARK_BREAK);
        if (result == 0 && (mark & MARK_QUOTED))
            result = expansion_add(shell, expansion, "", 1, MARK_EMPTY | MARK_QUOTED);
        if (result == 0)
            result = add_value(shell, value, strlen(value), mark, expansion);
    }
    return result;
}

/* ${NAME=WORD} when it is unset. */
static int assign_default(struct shell *shell, const struct reference *reference, unsigned mark,
                          struct expansion *expansion)
{
    auto_free char *name = strndup(reference->name, reference->name_length);
    if (!name)
        return -ENOMEM;
    if (name_length(name, reference->name_length) == 0)
        return shell_fail(shell, -EINVAL, "$%s cannot be assigned", name);
    auto_text struct text value = TEXT_INIT;
    auto_expansion struct expansion word = EXPANSION_INIT;
    int result = expand(shell, reference->word, reference->word_length, mark & MARK_QUOTED, &word);
    if (result == 0)
        result = expansion_relocate(shell, name, &word, &value);
    if (result == 0)
        result = shell_assign(shell, name, value.bytes);
    return result < 0 ? result : add_value(shell, value.bytes, value.length, mark, expansion);
}

static int complain(struct shell *shell, const struct reference *reference)
{
    auto_text struct text words = TEXT_INIT;
    int result = expand_string(shell, reference->word, reference->word_length, &words);
    if (result < 0)
        return result;
    return shell_fail(shell, -EINVAL, "%.*s: %s", (int)reference->name_length, reference->name,
                      words.length ? words.bytes : "parameter not set");
}

/* Removes the shortest or longest match of a pattern from one end of the value. */
static int strip(struct shell *shell, const struct reference *reference, const struct text *value,
                 unsigned mark, struct expansion *expansion)
{
    auto_text struct text pattern = TEXT_INIT;
    int result = expand_pattern(shell, reference->word, reference->word_length, &pattern);
    if (result < 0)
        return result;
    const char *bytes = value->bytes ? value->bytes : "";
    const size_t length = value->length;
    const bool front = reference->operator== '#';
    for (size_t i = 0; i <= length; i++) {
        /* How much goes: growing lengths for the shortest match, falling ones for the longest. */
        const size_t gone = reference->longest ? length - i : i;
        result = shell_spend(shell, 1 + gone + pattern.length);
        if (result < 0)
            return result;
        if (front && pattern_match(pattern.bytes, bytes, gone))
            return add_value(shell, bytes + gone, length - gone, mark, expansion);
        if (!front && pattern_match(pattern.bytes, bytes + length - gone, gone))
            return add_value(shell, bytes, length - gone, mark, expansion);
    }
    return add_value(shell, bytes, length, mark, expansion);
}

static int add_length(struct shell *shell, const struct reference *reference,
                      const struct text *value, unsigned mark, struct expansion *expansion)
{
    char number[32];
    bool list = reference->name[0] == '@' || reference->name[0] == '*';
    int length =
        snprintf(number, sizeof number, "%zu", list ? shell->positional.count : value->length);
    return add_value(shell, number, (size_t)length, mark, expansion);
}

static int expand_reference(struct shell *shell, const struct reference *reference, unsigned mark,
                            struct expansion *expansion)
{
    auto_text struct text value = TEXT_INIT;
    bool set;
    int result = parameter_value(shell, reference->name, reference->name_length, &value, &set);
    if (result < 0)
        return result;
    if (reference->wants_length)
        return add_length(shell, reference, &value, mark, expansion);
    const bool present = set && !(reference->empty_counts && value.length == 0);
    const unsigned word_mark = mark & MARK_QUOTED ? mark : MARK_SPLIT;
    switch (reference->operator) {
    case '+':
        return present
                   ? expand(shell, reference->word, reference->word_length, word_mark, expansion)
                   : 0;
    case '-':
        if (!present)
            return expand(shell, reference->word, reference->word_length, word_mark, expansion);
        break;
    case '=':
        if (!present)
            return assign_default(shell, reference, mark, expansion);
        break;
    case '?':
        if (!present)
            return complain(shell, reference);
        break;
    case '#':
    case '%':
        return strip(shell, reference, &value, mark, expansion);
    default:
        break;
    }
    const char name = reference->name[0];
    if (name == '@' || (name == '*' && !(mark & MARK_QUOTED)))
        return add_positional(shell, mark, expansion);
    return add_value(shell, value.bytes, value.length, mark, expansion);
}

/* ${...}; *at is behind the brace. */
static int expand_braces(struct shell *shell, const char *text, size_t length, size_t *at,
                         unsigned mark, struct expansion *expansion)
{
    const size_t begin = *at;
    if (scan_braces(text, length, at, mark & MARK_QUOTED, 0) < 0)
        return shell_fail(shell, -EINVAL, "\"${\" without \"}\"");
    const size_t inner = *at - 1 - begin;
    struct reference reference;
    if (!parse_reference(text + begin, inner, &reference))
        return shell_fail(shell, -EINVAL, "bad substitution: ${%.*s}", inner > 60 ? 60 : (int)inner,
                          text + begin);
    return expand_reference(shell, &reference, mark, expansion);
}

/* $(...) and $((...)); *at is on the dollar. */
static int expand_parentheses(struct shell *shell, const char *text, size_t length, size_t *at,
                              unsigned mark, struct expansion *expansion)
{
    const size_t begin = *at + 2;
    if (scan_piece(text, length, at, mark & MARK_QUOTED, 0) < 0)
        return shell_fail(shell, -EINVAL, "\"$(\" without \")\"");
    const size_t end = *at - 1;
    const bool arithmetic = end > begin + 1 && text[begin] == '(' && text[end - 1] == ')';
    if (!arithmetic)
        return shell_substitute(shell, text + begin, end - begin, mark, expansion);

    auto_expansion struct expansion inner = EXPANSION_INIT;
    auto_text struct text formula = TEXT_INIT;
    long long number = 0;
    int result = expand(shell, text + begin + 1, end - begin - 2, MARK_QUOTED, &inner);
    if (result == 0)
        result = expansion_string(&inner, &formula);
    if (result == 0)
        result = shell_arithmetic(shell, formula.bytes, &number);
    if (result < 0)
        return result;
    char digits[32];
    int written = snprintf(digits, sizeof digits, "%lld", number);
    return add_value(shell, digits, (size_t)written, mark, expansion);
}

int expand_parameter(struct shell *shell, const char *text, size_t length, size_t *at,
                     unsigned mark, struct expansion *expansion)
{
    const size_t next = *at + 1;
    if (next < length && text[next] == '{') {
        *at = next + 1;
        return expand_braces(shell, text, length, at, mark, expansion);
    }
    if (next < length && text[next] == '(')
        return expand_parentheses(shell, text, length, at, mark, expansion);

    size_t name = next < length ? name_length(text + next, length - next) : 0;
    if (name == 0 && next < length && is_special(text[next]))
        name = 1;
    *at = next + name;
    if (name == 0)
        return expansion_add(shell, expansion, "$", 1, mark);
    const struct reference reference = {.name = text + next, .name_length = name};
    return expand_reference(shell, &reference, mark, expansion);
}
