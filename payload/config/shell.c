/* A shell as a whole: its life, its limits, and the files it evaluates. What commands do is in
 * shell_run.c, what words mean in shell_expand.c. */
#include "payload/config/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/config/shell_expand.h"
#include "payload/config/shell_parser.h"
#include "payload/config/shell_state.h"

enum {
    FILE_LIMIT = 1 << 20,
    MEMORY_LIMIT = 64 << 20,
    WORK_LIMIT = 64 << 20, /* bytes touched; well below a second */
    DEPTH_LIMIT = 150,
};

static int import_environment(struct shell *shell, char *const *environment)
{
    for (; environment && *environment; environment++) {
        const char *entry = *environment;
        const size_t length = name_length(entry, strlen(entry));
        if (length == 0 || entry[length] != '=')
            continue; /* functions that bash exports, for example */
        auto_free char *name = strndup(entry, length);
        if (!name)
            return -ENOMEM;
        if (strcmp(name, "IFS") == 0 || strcmp(name, "PWD") == 0)
            continue; /* no shell takes these from outside */
        int result = shell_export(shell, name, entry + length + 1);
        if (result < 0)
            return result;
    }
    return 0;
}

int shell_create(struct shell **made, const struct shell_options *options)
{
    auto_shell struct shell *shell = calloc(1, sizeof *shell);
    if (!shell)
        return -ENOMEM;
    shell->options = *options;
    shell->arena.limit = MEMORY_LIMIT;
    shell->budget = WORK_LIMIT;
    shell->descriptors[0] = shell->descriptors[1] = -1;
    shell->descriptors[2] = STDERR_FILENO;
    shell->file = "";
    shell->directory = strdup("/");
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now); /* a poor seed is no failure */
    shell->random = (unsigned)now.tv_nsec ^ ((unsigned)getpid() << 12);
    int result = shell->directory ? 0 : -ENOMEM;
    if (result == 0)
        result = import_environment(shell, options->environment);
    if (result == 0)
        result = variables_set(&shell->variables, "IFS", " \t\n");
    if (result == 0)
        *made = steal_pointer(shell);
    return result;
}

void shell_free(struct shell **owner)
{
    struct shell *shell = *owner;
    if (!shell)
        return;
    variables_free(&shell->variables);
    strings_free(&shell->positional);
    arena_free(&shell->arena);
    free(shell->directory);
    free(shell);
    *owner = NULL;
}

int shell_export(struct shell *shell, const char *name, const char *value)
{
    int result = variables_set(&shell->variables, name, value);
    if (result < 0)
        return result;
    variables_find(&shell->variables, name)->exported = true;
    return 0;
}

void shell_unset(struct shell *shell, const char *name)
{
    (void)variables_unset(&shell->variables, name); /* a readonly one stays, as in any shell */
}

const char *shell_get(const struct shell *shell, const char *name)
{
    const struct variable *variable = variables_find(&shell->variables, name);
    return variable ? variable->value : NULL;
}

const struct error *shell_problem(const struct shell *shell)
{
    return &shell->problem;
}

int shell_fail(struct shell *shell, int code, const char *format, ...)
{
    char words[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments); /* cut is fine */
    va_end(arguments);
    return error_set(shell->error, code, "%s:%u: %s", shell->file, shell->line, words);
}

void shell_note(struct shell *shell, const char *format, ...)
{
    if (shell->problem.code)
        return;
    char words[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    (void)error_set(&shell->problem, -EINVAL, "%s:%u: %s", shell->file, shell->line, words);
}

int shell_spend(struct shell *shell, size_t amount)
{
    if (amount > (size_t)WORK_LIMIT)
        amount = WORK_LIMIT;
    shell->budget -= (long long)amount;
    if (shell->budget < 0)
        return shell_fail(shell, -E2BIG, "the evaluation does not come to an end");
    return 0;
}

int shell_enter(struct shell *shell)
{
    if (shell->depth >= DEPTH_LIMIT)
        return shell_fail(shell, -E2BIG, "nested too deeply");
    shell->depth++;
    return 0;
}

void shell_leave(struct shell *shell)
{
    shell->depth--;
}

int shell_assign(struct shell *shell, const char *name, const char *value)
{
    int result = variables_set(&shell->variables, name, value);
    if (result != -EPERM)
        return result;
    shell_note(shell, "%s is readonly and keeps its value", name);
    return 0;
}

unsigned shell_random(struct shell *shell)
{
    shell->random = shell->random * 1103515245U + 12345U;
    return (shell->random >> 16) & 0x7fffU;
}

int shell_path(const struct shell *shell, const char *path, struct text *text)
{
    if (path[0] == '/')
        return text_append_string(text, path);
    return text_printf(text, "%s/%s", shell->directory, path);
}

int shell_evaluate(struct shell *shell, const char *text, size_t length, unsigned line)
{
    struct parser parser;
    parser_begin(&parser, &shell->arena, shell->file, line, text, length, shell->error);
    int result = shell_enter(shell);
    if (result < 0)
        return result;
    result = shell_spend(shell, length);
    bool empty = true;
    while (result == 0 && shell->unwinding == UNWIND_NONE) {
        struct node *list;
        result = parser_next(&parser, &list);
        if (result <= 0)
            break;
        empty = false;
        result = shell_run_list(shell, list);
    }
    if (empty)
        shell->status = 0;
    shell_leave(shell);
    return result < 0 ? result : 0;
}

/* `text` need not live longer than the call. */
static int evaluate_file(struct shell *shell, const char *file, const char *text, size_t length)
{
    const char *const outer_file = shell->file;
    const unsigned outer_line = shell->line;
    const char *name = arena_copy(&shell->arena, file, strlen(file));
    const char *copy = arena_copy(&shell->arena, text, length);
    if (!name || !copy)
        return shell_fail(shell, -ENOMEM, "%s: too much to evaluate", file);
    int result = 0;
    if (shell->options.file_seen)
        result = shell->options.file_seen(shell->options.context, file, copy, length);
    shell->file = name;
    shell->line = 1;
    if (result == 0)
        result = shell_evaluate(shell, copy, length, 1);
    shell->file = outer_file;
    shell->line = outer_line;
    return result;
}

/* Everything up to the last slash, "/" at least. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A file on the outside: what is left of an earlier one, but for variables and functions, is gone.
 */
static int begin_file(struct shell *shell, const char *path, struct error *error)
{
    shell->error = error;
    shell->unwinding = UNWIND_NONE;
    shell->loops = 0;
    shell->depth = 0;
    shell->status = 0;
    shell->budget = WORK_LIMIT;
    char *directory = directory_of(path);
    if (!directory)
        return error_set(error, -ENOMEM, "%s: no memory", path);
    free(shell->directory);
    shell->directory = directory;
    return 0;
}

int shell_run_text(struct shell *shell, const char *file, const char *text, size_t length,
                   struct error *error)
{
    int result = begin_file(shell, file, error);
    if (result == 0)
        result = evaluate_file(shell, file, text, length);
    shell->error = NULL;
    if (result < 0 && error && error->code == 0)
        return error_system(error, result, "evaluating %s", file);
    return result;
}

/* A pipe or device would keep the evaluation waiting, perhaps for ever. */
static int load_regular(const char *path, struct text *content)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    return file_load(AT_FDCWD, path, FILE_LIMIT, content);
}

int shell_run_file(struct shell *shell, const char *path, struct error *error)
{
    auto_text struct text text = TEXT_INIT;
    int result = load_regular(path, &text);
    if (result < 0)
        return error_system(error, result, "reading %s", path);
    return shell_run_text(shell, path, text.bytes ? text.bytes : "", text.length, error);
}

/* A name without a directory may be meant from the working directory or from the file that sources.
 */
static int load_sourced(struct shell *shell, const char *name, struct text *path,
                        struct text *content)
{
    int result = shell_path(shell, name, path);
    if (result == 0)
        result = load_regular(path->bytes, content);
    if (result != -ENOENT || name[0] == '/')
        return result;
    auto_free char *directory = directory_of(shell->file);
    text_free(path);
    text_free(content);
    if (!directory)
        return -ENOMEM;
    result = text_printf(path, "%s/%s", directory, name);
    return result < 0 ? result : load_regular(path->bytes, content);
}

int shell_source(struct shell *shell, const char *name)
{
    auto_text struct text path = TEXT_INIT;
    auto_text struct text content = TEXT_INIT;
    int result = load_sourced(shell, name, &path, &content);
    if (result == -ENOMEM)
        return shell_fail(shell, result, "no memory");
    if (result < 0) {
        shell_note(shell, "cannot read %s: %s", path.bytes, strerror(-result));
        shell->status = 1;
        return 0;
    }
    result = evaluate_file(shell, path.bytes, content.bytes ? content.bytes : "", content.length);
    if (result == 0 && shell->unwinding == UNWIND_RETURN)
        shell->unwinding = UNWIND_NONE;
    return result;
}

int shell_echo(struct shell *shell, const char *name, struct text *text)
{
    const char *value = shell_get(shell, name);
    shell->budget = WORK_LIMIT; /* what a file used up is no reason not to hear what it said */
    auto_expansion struct expansion expansion = EXPANSION_INIT;
    auto_strings struct strings fields = STRINGS_INIT;
    int result =
        value ? expansion_add(shell, &expansion, value, strlen(value), MARK_SPLIT | MARK_FOREIGN)
              : 0;
    if (result == 0)
        result = expansion_fields(shell, &expansion, &fields);
    for (size_t i = 0; result == 0 && i < fields.count; i++) {
        if (i)
            result = text_append_string(text, " ");
        if (result == 0)
            result = text_append_string(text, fields.items[i]);
    }
    return result;
}
