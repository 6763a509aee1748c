/* The builtins, and their table. Conditions are in shell_test.c. */
#include "payload/config/shell_builtins.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "payload/base/file.h"
#include "payload/base/scope.h"
#include "payload/config/shell_process.h"
#include "payload/config/shell_test.h"

static int run_true(struct shell *shell, struct strings *arguments)
{
    (void)arguments;
    shell->status = 0;
    return 0;
}

static int run_false(struct shell *shell, struct strings *arguments)
{
    (void)arguments;
    shell->status = 1;
    return 0;
}

static int evaluate_test(struct shell *shell, const struct strings *arguments, size_t count)
{
    int status = shell_test(shell, arguments->items + 1, count);
    if (status < 0)
        return status;
    shell->status = status;
    return 0;
}

static int run_test(struct shell *shell, struct strings *arguments)
{
    return evaluate_test(shell, arguments, arguments->count - 1);
}

static int run_bracket(struct shell *shell, struct strings *arguments)
{
    if (strcmp(arguments->items[arguments->count - 1], "]") != 0) {
        shell_note(shell, "[ without ]");
        shell->status = 2;
        return 0;
    }
    return evaluate_test(shell, arguments, arguments->count - 2);
}

static int print(struct shell *shell, const struct text *text)
{
    int fd = shell->descriptors[STDOUT_FILENO];
    int result = fd < 0 || !text->length ? 0 : file_write_full(fd, text->bytes, text->length);
    shell->status = result < 0;
    return 0;
}

static int run_echo(struct shell *shell, struct strings *arguments)
{
    auto_text struct text line = TEXT_INIT;
    size_t first = 1;
    bool newline = true;
    if (arguments->count > 1 && strcmp(arguments->items[1], "-n") == 0) {
        newline = false;
        first++;
    }
    int result = 0;
    for (size_t i = first; result == 0 && i < arguments->count; i++) {
        if (i > first)
            result = text_append_string(&line, " ");
        if (result == 0)
            result = text_append_string(&line, arguments->items[i]);
    }
    if (result == 0 && newline)
        result = text_append_string(&line, "\n");
    return result < 0 ? result : print(shell, &line);
}

/* export, readonly and local: NAME or NAME=value. */
static int declare(struct shell *shell, struct strings *arguments, bool export, bool readonly)
{
    shell->status = 0;
    for (size_t i = 1; i < arguments->count; i++) {
        char *name = arguments->items[i];
        const size_t length = name_length(name, strlen(name));
        if (length == 0 || (name[length] && name[length] != '=')) {
            if (name[0] != '-') { /* -p and the like list, into nothing */
                shell_note(shell, "%s: \"%s\" is no name", arguments->items[0], name);
                shell->status = 2;
            }
            continue;
        }
        const char *value = name[length] == '=' ? name + length + 1 : NULL;
        name[length] = '\0';
        int result = value ? shell_assign(shell, name, value) : 0;
        struct variable *variable = result == 0 ? variables_obtain(&shell->variables, name) : NULL;
        if (!variable)
            return -ENOMEM;
        variable->exported |= export;
        variable->readonly |= readonly;
    }
    return 0;
}

static int run_export(struct shell *shell, struct strings *arguments)
{
    return declare(shell, arguments, true, false);
}

static int run_readonly(struct shell *shell, struct strings *arguments)
{
    return declare(shell, arguments, false, true);
}

static int run_local(struct shell *shell, struct strings *arguments)
{
    if (!shell->locals) {
        shell_note(shell, "local outside of a function");
        shell->status = 1;
        return 0;
    }
    for (size_t i = 1; i < arguments->count; i++) {
        const char *argument = arguments->items[i];
        auto_free char *name = strndup(argument, name_length(argument, strlen(argument)));
        int result = name ? variables_save(&shell->variables, name, shell->locals) : -ENOMEM;
        if (result < 0)
            return result;
    }
    return declare(shell, arguments, false, false);
}

static void unset_function(struct shell *shell, const char *name)
{
    for (struct function **function = &shell->functions; *function;) {
        if (strcmp((*function)->name, name) == 0)
            *function = (*function)->next; /* the arena keeps it */
        else
            function = &(*function)->next;
    }
}

static int run_unset(struct shell *shell, struct strings *arguments)
{
    shell->status = 0;
    bool functions = false;
    for (size_t i = 1; i < arguments->count; i++) {
        const char *name = arguments->items[i];
        if (name[0] == '-') {
            functions = strcmp(name, "-f") == 0;
        } else if (functions) {
            unset_function(shell, name);
        } else if (variables_unset(&shell->variables, name) < 0) {
            shell_note(shell, "%s is readonly", name);
            shell->status = 1;
        }
    }
    return 0;
}

static int set_positional(struct shell *shell, const struct strings *arguments, size_t first)
{
    strings_free(&shell->positional);
    int result = 0;
    for (size_t i = first; result == 0 && i < arguments->count; i++)
        result = strings_add(&shell->positional, arguments->items[i]);
    return result;
}

static int run_set(struct shell *shell, struct strings *arguments)
{
    shell->status = 0;
    if (arguments->count < 2)
        return 0;
    const char *option = arguments->items[1];
    if (strcmp(option, "--") == 0)
        return set_positional(shell, arguments, 2);
    if (option[0] != '-' && option[0] != '+')
        return set_positional(shell, arguments, 1);
    shell_note(shell, "set %s has no effect on a configuration", option);
    return 0;
}

/* The optional numeric argument of shift, break, exit and the like. */
static unsigned numeric_argument(const struct strings *arguments, unsigned fallback)
{
    if (arguments->count < 2)
        return fallback;
    unsigned long value = strtoul(arguments->items[1], NULL, 10);
    return value > 1000000 ? 1000000 : (unsigned)value;
}

static int run_shift(struct shell *shell, struct strings *arguments)
{
    struct strings *positional = &shell->positional;
    size_t gone = numeric_argument(arguments, 1);
    shell->status = gone > positional->count;
    if (shell->status || gone == 0)
        return 0;
    for (size_t i = 0; i < gone; i++)
        free(positional->items[i]);
    memmove(positional->items, positional->items + gone,
            (positional->count - gone) * sizeof *positional->items);
    positional->count -= gone;
    return 0;
}

static int leave_loop(struct shell *shell, const struct strings *arguments, enum unwinding how)
{
    shell->status = 0;
    unsigned levels = numeric_argument(arguments, 1);
    if (shell->loops == 0 || levels == 0)
        return 0;
    shell->unwinding = how;
    shell->unwind_levels = levels < shell->loops ? levels : shell->loops;
    return 0;
}

static int run_break(struct shell *shell, struct strings *arguments)
{
    return leave_loop(shell, arguments, UNWIND_BREAK);
}

static int run_continue(struct shell *shell, struct strings *arguments)
{
    return leave_loop(shell, arguments, UNWIND_CONTINUE);
}

static int run_return(struct shell *shell, struct strings *arguments)
{
    shell->status = (int)(numeric_argument(arguments, (unsigned)shell->status) & 255);
    shell->unwinding = UNWIND_RETURN;
    return 0;
}

static int run_exit(struct shell *shell, struct strings *arguments)
{
    shell->status = (int)(numeric_argument(arguments, (unsigned)shell->status) & 255);
    shell->unwinding = UNWIND_EXIT;
    return 0;
}

static int run_eval(struct shell *shell, struct strings *arguments)
{
    auto_text struct text program = TEXT_INIT;
    int result = 0;
    for (size_t i = 1; result == 0 && i < arguments->count; i++)
        result = text_printf(&program, "%s%s", i > 1 ? " " : "", arguments->items[i]);
    if (result < 0 || program.length == 0) {
        shell->status = 0;
        return result;
    }
    const char *copy = arena_copy(&shell->arena, program.bytes, program.length);
    if (!copy)
        return shell_fail(shell, -ENOMEM, "too much to evaluate");
    return shell_evaluate(shell, copy, program.length, shell->line);
}

static int run_source(struct shell *shell, struct strings *arguments)
{
    if (arguments->count < 2) {
        shell_note(shell, "%s without a file", arguments->items[0]);
        shell->status = 2;
        return 0;
    }
    return shell_source(shell, arguments->items[1]);
}

static int run_cd(struct shell *shell, struct strings *arguments)
{
    auto_text struct text path = TEXT_INIT;
    const char *home = shell_get(shell, "HOME");
    const char *target = arguments->count > 1 ? arguments->items[1] : home ? home : "/";
    int result = shell_path(shell, target, &path);
    if (result < 0)
        return result;
    struct stat status;
    if (stat(path.bytes, &status) < 0 || !S_ISDIR(status.st_mode)) {
        shell_note(shell, "cd: %s is no directory", path.bytes);
        shell->status = 1;
        return 0;
    }
    free(shell->directory);
    shell->directory = text_steal(&path);
    shell->status = 0;
    return 0;
}

static int run_pwd(struct shell *shell, struct strings *arguments)
{
    (void)arguments;
    auto_text struct text line = TEXT_INIT;
    int result = text_printf(&line, "%s\n", shell->directory);
    return result < 0 ? result : print(shell, &line);
}

static bool is_function(const struct shell *shell, const char *name)
{
    for (const struct function *function = shell->functions; function; function = function->next)
        if (strcmp(function->name, name) == 0)
            return true;
    return false;
}

/* Prints how a name would be run; status 127 when it could not. */
static int describe(struct shell *shell, const char *name)
{
    auto_text struct text line = TEXT_INIT;
    int result = 0;
    if (is_function(shell, name) || builtin_find(name))
        result = text_append_string(&line, name);
    else
        result = shell_find_program(shell, name, &line);
    if (result == -ENOENT) {
        shell->status = 127;
        return 0;
    }
    if (result == 0)
        result = text_append_string(&line, "\n");
    return result < 0 ? result : print(shell, &line);
}

static int run_command(struct shell *shell, struct strings *arguments)
{
    size_t first = 1;
    bool ask = false;
    for (; first < arguments->count && arguments->items[first][0] == '-'; first++)
        ask |= strpbrk(arguments->items[first], "vV") != NULL;
    shell->status = 0;
    if (first >= arguments->count)
        return 0;
    if (ask)
        return describe(shell, arguments->items[first]);
    auto_strings struct strings rest = STRINGS_INIT;
    int result = 0;
    for (size_t i = first; result == 0 && i < arguments->count; i++)
        result = strings_add(&rest, arguments->items[i]);
    return result < 0 ? result : shell_run_arguments(shell, &rest, false);
}

static int run_type(struct shell *shell, struct strings *arguments)
{
    if (arguments->count < 2)
        return run_true(shell, arguments);
    return describe(shell, arguments->items[1]);
}

/* One line of standard input into variables, the last one taking the rest. No continued lines. */
static int run_read(struct shell *shell, struct strings *arguments)
{
    auto_text struct text line = TEXT_INIT;
    const int fd = shell->descriptors[STDIN_FILENO];
    char c = '\0';
    int result = 0;
    while (result == 0 && fd >= 0 && read(fd, &c, 1) == 1 && c != '\n' && c != '\0') {
        result = shell_spend(shell, 1);
        if (result == 0)
            result = text_append(&line, &c, 1);
    }
    shell->status = c != '\n';
    const char *ifs = shell_get(shell, "IFS");
    auto_free char *delimiters = strdup(ifs ? ifs : " \t\n");
    if (!delimiters)
        return -ENOMEM;
    const int status = shell->status;
    char *rest = line.bytes ? line.bytes : delimiters + strlen(delimiters);
    for (size_t i = 1; result == 0 && i < arguments->count; i++) {
        const char *name = arguments->items[i];
        if (name[0] == '-' || name_length(name, strlen(name)) != strlen(name))
            continue;
        rest += strspn(rest, delimiters);
        size_t length = i + 1 < arguments->count ? strcspn(rest, delimiters) : strlen(rest);
        auto_free char *value = strndup(rest, length);
        while (value && i + 1 == arguments->count && length &&
               strchr(delimiters, value[length - 1]))
            value[--length] = '\0';
        result = value ? shell_assign(shell, name, value) : -ENOMEM;
        rest += length;
    }
    shell->status = status;
    return result;
}

static const struct builtin builtins[] = {
    {":", true, false, run_true},        {"true", false, false, run_true},
    {"false", false, false, run_false},  {"[", false, false, run_bracket},
    {"test", false, false, run_test},    {"echo", false, false, run_echo},
    {"export", true, true, run_export},  {"readonly", true, true, run_readonly},
    {"local", false, true, run_local},   {"unset", true, false, run_unset},
    {"set", true, false, run_set},       {"shift", true, false, run_shift},
    {"break", true, false, run_break},   {"continue", true, false, run_continue},
    {"return", true, false, run_return}, {"exit", true, false, run_exit},
    {"eval", true, false, run_eval},     {".", true, false, run_source},
    {"source", true, false, run_source}, {"cd", false, false, run_cd},
    {"pwd", false, false, run_pwd},      {"command", false, false, run_command},
    {"type", false, false, run_type},    {"read", false, false, run_read},
};

const struct builtin *builtin_find(const char *name)
{
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (strcmp(builtins[i].name, name) == 0)
            return &builtins[i];
    return NULL;
}
