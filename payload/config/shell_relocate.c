/* Paths of the system that a configuration file names become those of the dist tree. Only what is
 * written in the file counts: a value that came out of a variable has been relocated when that one
 * was assigned, or is the user's own. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "payload/base/scope.h"
#include "payload/config/shell_expand.h"

/* Is there, at byte `at`, `path` itself or something below it? */
static bool names_path(const char *bytes, size_t length, size_t at, const char *path)
{
    const size_t wanted = strlen(path);
    if (length - at < wanted || memcmp(bytes + at, path, wanted) != 0)
        return false;
    return at + wanted == length || bytes[at + wanted] == '/' || bytes[at + wanted] == ':';
}

static bool is_literal(const char *marks, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (marks[i] & MARK_FOREIGN)
            return false;
    return true;
}

static const struct shell_relocation *find_relocation(const struct shell *shell, const char *name,
                                                      const struct expansion *plain, size_t at)
{
    const struct shell_options *options = &shell->options;
    const char *bytes = plain->bytes.bytes;
    const size_t length = plain->bytes.length;
    if (options->relocated && names_path(bytes, length, at, options->relocated))
        return NULL;
    for (size_t i = 0; i < options->relocation_count; i++) {
        const struct shell_relocation *relocation = &options->relocations[i];
        if (name && relocation->except && strcmp(name, relocation->except) == 0)
            continue;
        if (names_path(bytes, length, at, relocation->from) &&
            is_literal(plain->marks.bytes + at, strlen(relocation->from)))
            return relocation;
    }
    return NULL;
}

/* The expansion without the marks that stand for no byte. */
static int drop_empty(struct shell *shell, const struct expansion *expansion,
                      struct expansion *plain)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < expansion->bytes.length; i++) {
        const unsigned mark = (unsigned char)expansion->marks.bytes[i];
        if (mark & MARK_BREAK)
            result = expansion_add(shell, plain, " ", 1, mark | MARK_FOREIGN);
        else if (!(mark & MARK_EMPTY))
            result = expansion_add(shell, plain, expansion->bytes.bytes + i, 1, mark);
    }
    return result;
}

static int relocate_value(const struct shell *shell, const char *name,
                          const struct expansion *plain, struct text *text)
{
    const char *bytes = plain->bytes.bytes;
    int result = 0;
    for (size_t at = 0; result == 0 && at < plain->bytes.length;) {
        const struct shell_relocation *relocation = NULL;
        if (bytes[0] == '/' && (at == 0 || bytes[at - 1] == ':'))
            relocation = find_relocation(shell, name, plain, at);
        result = relocation ? text_append_string(text, relocation->to)
                            : text_append(text, bytes + at, 1);
        at += relocation ? strlen(relocation->from) : 1;
    }
    return result < 0 ? result : text_append(text, "", 0);
}

static int relocate_path(const struct shell *shell, const struct expansion *plain,
                         struct text *text)
{
    const struct shell_relocation *relocation =
        plain->bytes.length ? find_relocation(shell, NULL, plain, 0) : NULL;
    int result = 0;
    size_t kept = 0;
    if (relocation) {
        kept = strlen(relocation->from);
        auto_text struct text path = TEXT_INIT;
        result = text_append_string(&path, relocation->to);
        if (result == 0)
            result = text_append(&path, plain->bytes.bytes + kept, plain->bytes.length - kept);
        if (result < 0)
            return result;
        if (access(path.bytes, F_OK) == 0)
            return text_append(text, path.bytes, path.length);
    }
    return text_append(text, plain->bytes.bytes, plain->bytes.length);
}

bool expansion_is_path(const struct expansion *expansion)
{
    size_t i = 0;
    while (i < expansion->bytes.length && (expansion->marks.bytes[i] & MARK_EMPTY))
        i++;
    return i < expansion->bytes.length && expansion->bytes.bytes[i] == '/';
}

int expansion_relocate(struct shell *shell, const char *name, const struct expansion *expansion,
                       struct text *text)
{
    if (shell->options.relocation_count == 0 || !expansion_is_path(expansion))
        return expansion_string(expansion, text);
    auto_expansion struct expansion plain = EXPANSION_INIT;
    int result = drop_empty(shell, expansion, &plain);
    if (result < 0)
        return result;
    return name ? relocate_value(shell, name, &plain, text) : relocate_path(shell, &plain, text);
}
