/* Running syntax trees in this process. What needs another one is in shell_process.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/config/shell_builtins.h"
#include "payload/config/shell_condition.h"
#include "payload/config/shell_expand.h"
#include "payload/config/shell_pattern.h"
#include "payload/config/shell_process.h"
#include "payload/config/shell_redirect.h"
#include "payload/config/shell_state.h"

enum { COMMAND_COST = 512 }; /* in bytes touched */

int shell_run_list(struct shell *shell, struct node *list)
{
    int result = 0;
    for (; result == 0 && list && shell->unwinding == UNWIND_NONE; list = list->next)
        result = shell_run_node(shell, list);
    return result;
}

/* NAME=value or NAME+=value. */
static int assign_word(struct shell *shell, const struct word *word)
{
    const size_t prefix = assignment_length(word->text, word->length);
    const size_t length = name_length(word->text, word->length);
    auto_free char *name = strndup(word->text, length);
    auto_text struct text value = TEXT_INIT;
    if (!name)
        return -ENOMEM;
    int result = 0;
    const char *old = prefix == length + 2 ? shell_get(shell, name) : NULL;
    if (old)
        result = text_append_string(&value, old);
    if (result == 0)
        result = expand_assignment(shell, name, word->text + prefix, word->length - prefix, &value);
    if (result == 0)
        result = shell_spend(shell, 64 + value.length);
    return result < 0 ? result : shell_assign(shell, name, value.bytes);
}

static int assign_words(struct shell *shell, const struct word *words)
{
    int result = 0;
    for (; result == 0 && words; words = words->next)
        result = assign_word(shell, words);
    return result;
}

/* Assignments before a command hold for it alone, and it exports them. */
static int assign_temporarily(struct shell *shell, const struct word *words,
                              struct saved_variable **saved)
{
    int result = 0;
    for (; result == 0 && words; words = words->next) {
        auto_free char *name = strndup(words->text, name_length(words->text, words->length));
        result = name ? variables_save(&shell->variables, name, saved) : -ENOMEM;
        if (result == 0)
            result = assign_word(shell, words);
        struct variable *variable = result == 0 ? variables_find(&shell->variables, name) : NULL;
        if (variable)
            variable->exported = true;
    }
    return result;
}

/* The fields of a command. Behind export and its like, NAME=value is one field, whatever is in it.
 */
static int expand_words(struct shell *shell, const struct word *words, struct strings *arguments)
{
    bool declaration = false;
    for (const struct word *word = words; word; word = word->next) {
        const size_t prefix = assignment_length(word->text, word->length);
        int result;
        if (declaration && prefix) {
            auto_text struct text field = TEXT_INIT;
            auto_free char *name = strndup(word->text, name_length(word->text, word->length));
            result = name ? text_printf(&field, "%s=", name) : -ENOMEM;
            if (result == 0)
                result = expand_assignment(shell, name, word->text + prefix, word->length - prefix,
                                           &field);
            if (result == 0)
                result = strings_take(arguments, text_steal(&field));
        } else {
            result = expand_fields(shell, word->text, word->length, arguments);
        }
        if (result < 0)
            return result;
        if (word == words && arguments->count == 1) {
            const struct builtin *builtin = builtin_find(arguments->items[0]);
            declaration = builtin && builtin->declaration;
        }
    }
    return 0;
}

static int call_function(struct shell *shell, const struct function *function,
                         struct strings *arguments)
{
    int result = shell_enter(shell);
    if (result < 0)
        return result;
    struct strings positional = STRINGS_INIT;
    for (size_t i = 1; result == 0 && i < arguments->count; i++)
        result = strings_add(&positional, arguments->items[i]);
    struct saved_variable *saved = NULL;
    struct saved_variable **const outer_locals = shell->locals;
    const struct strings outer_positional = shell->positional;
    const char *const outer_file = shell->file;
    const unsigned outer_loops = shell->loops;
    shell->positional = positional;
    shell->locals = &saved;
    shell->file = function->file;
    shell->loops = 0;
    if (result == 0)
        result = shell_run_node(shell, function->body);
    if (shell->unwinding == UNWIND_RETURN)
        shell->unwinding = UNWIND_NONE;
    strings_free(&shell->positional);
    shell->positional = outer_positional;
    shell->locals = outer_locals;
    shell->loops = outer_loops;
    shell->file = outer_file;
    int restored = variables_restore(&shell->variables, &saved);
    shell_leave(shell);
    return result < 0 ? result : restored;
}

static const struct function *find_function(const struct shell *shell, const char *name)
{
    for (const struct function *function = shell->functions; function; function = function->next)
        if (strcmp(function->name, name) == 0)
            return function;
    return NULL;
}

int shell_run_arguments(struct shell *shell, struct strings *arguments, bool functions)
{
    const char *name = arguments->items[0];
    const struct function *function = functions ? find_function(shell, name) : NULL;
    if (function)
        return call_function(shell, function, arguments);
    const struct builtin *builtin = builtin_find(name);
    if (builtin)
        return builtin->run(shell, arguments);
    return shell_execute(shell, arguments);
}

/* Without a command to run, the status is that of the last $(...), or 0. */
static int run_expanded(struct shell *shell, const struct node *node, struct strings *arguments)
{
    if (arguments->count == 0) {
        int result = assign_words(shell, node->assignments);
        if (!shell->substituted)
            shell->status = 0;
        return result;
    }
    const struct builtin *builtin = builtin_find(arguments->items[0]);
    if (builtin && builtin->special) {
        int result = assign_words(shell, node->assignments);
        return result < 0 ? result : shell_run_arguments(shell, arguments, true);
    }
    struct saved_variable *saved = NULL;
    int result = assign_temporarily(shell, node->assignments, &saved);
    if (result == 0)
        result = shell_run_arguments(shell, arguments, true);
    int restored = variables_restore(&shell->variables, &saved);
    return result < 0 ? result : restored;
}

static int run_command(struct shell *shell, const struct node *node)
{
    auto_strings struct strings arguments = STRINGS_INIT;
    const int status_before = shell->status;
    shell->substituted = false;
    int result = expand_words(shell, node->words, &arguments);
    if (result < 0)
        return result;
    if (arguments.count)
        shell->status = status_before; /* what return and exit take without a number */
    return run_expanded(shell, node, &arguments);
}

static int run_and_or(struct shell *shell, struct node *member)
{
    int result = 0;
    for (; result == 0 && member && shell->unwinding == UNWIND_NONE; member = member->next) {
        if ((member->connector == CONNECT_AND && shell->status != 0) ||
            (member->connector == CONNECT_OR && shell->status == 0))
            continue;
        result = shell_run_node(shell, member);
    }
    return result;
}

static int run_pipeline(struct shell *shell, struct node *node)
{
    int result =
        node->first->next ? shell_pipeline(shell, node->first) : shell_run_node(shell, node->first);
    if (result == 0 && node->negated && shell->unwinding == UNWIND_NONE)
        shell->status = !shell->status;
    return result;
}

static int run_if(struct shell *shell, struct node *node)
{
    for (;;) {
        int result = shell_run_list(shell, node->first);
        if (result < 0 || shell->unwinding != UNWIND_NONE)
            return result;
        if (shell->status == 0)
            return shell_run_list(shell, node->second);
        if (!node->third) {
            shell->status = 0;
            return 0;
        }
        if (node->third->kind != NODE_IF || node->third->next || node->third->redirections)
            return shell_run_list(shell, node->third);
        node = node->third; /* elif: a loop, since chains may be long */
    }
}

/* After the body of a loop: shall the loop end? */
static bool loop_ends(struct shell *shell)
{
    if (shell->unwinding != UNWIND_BREAK && shell->unwinding != UNWIND_CONTINUE)
        return shell->unwinding != UNWIND_NONE;
    if (--shell->unwind_levels > 0)
        return true;
    const bool ends = shell->unwinding == UNWIND_BREAK;
    shell->unwinding = UNWIND_NONE;
    return ends;
}

static int run_while(struct shell *shell, struct node *node)
{
    int last = 0;
    int result;
    for (;;) {
        result = shell_spend(shell, 16);
        if (result == 0)
            result = shell_run_list(shell, node->first);
        if (result < 0)
            return result;
        if (shell->unwinding != UNWIND_NONE) {
            if (loop_ends(shell))
                break;
            continue;
        }
        if ((shell->status == 0) != (node->kind == NODE_WHILE)) {
            shell->status = last;
            break;
        }
        result = shell_run_list(shell, node->second);
        last = shell->status;
        if (result < 0 || loop_ends(shell))
            break;
    }
    return result;
}

static int run_for(struct shell *shell, struct node *node)
{
    auto_strings struct strings fields = STRINGS_INIT;
    int result = 0;
    for (const struct word *word = node->words; result == 0 && word; word = word->next)
        result = expand_fields(shell, word->text, word->length, &fields);
    for (size_t i = 0; !node->has_words && result == 0 && i < shell->positional.count; i++)
        result = strings_add(&fields, shell->positional.items[i]);
    if (fields.count == 0)
        shell->status = 0;
    for (size_t i = 0; result == 0 && i < fields.count; i++) {
        result = shell_assign(shell, node->name, fields.items[i]);
        if (result == 0)
            result = shell_run_list(shell, node->first);
        if (result < 0 || loop_ends(shell))
            break;
    }
    return result;
}

static int run_case(struct shell *shell, struct node *node)
{
    auto_text struct text subject = TEXT_INIT;
    int result = expand_string(shell, node->words->text, node->words->length, &subject);
    for (struct case_item *item = node->items; result == 0 && item; item = item->next) {
        for (struct word *word = item->patterns; result == 0 && word; word = word->next) {
            auto_text struct text pattern = TEXT_INIT;
            result = expand_pattern(shell, word->text, word->length, &pattern);
            if (result == 0)
                result = shell_spend(shell, subject.length + pattern.length);
            if (result < 0 || !pattern_match(pattern.bytes, subject.bytes, subject.length))
                continue;
            if (!item->body)
                shell->status = 0;
            return shell_run_list(shell, item->body);
        }
    }
    shell->status = 0;
    return result;
}

static int define_function(struct shell *shell, struct node *node)
{
    struct function *function = arena_take(&shell->arena, sizeof *function);
    if (!function)
        return shell_fail(shell, -ENOMEM, "too much to evaluate");
    *function = (struct function){
        .name = node->name, .file = shell->file, .body = node->first, .next = shell->functions};
    shell->functions = function;
    shell->status = 0;
    return 0;
}

static int run_loop(struct shell *shell, struct node *node)
{
    shell->loops++;
    int result = node->kind == NODE_FOR ? run_for(shell, node) : run_while(shell, node);
    shell->loops--;
    return result;
}

static int run_kind(struct shell *shell, struct node *node)
{
    switch (node->kind) {
    case NODE_COMMAND:
        return run_command(shell, node);
    case NODE_PIPELINE:
        return run_pipeline(shell, node);
    case NODE_AND_OR:
        return run_and_or(shell, node->first);
    case NODE_GROUP:
        return shell_run_list(shell, node->first);
    case NODE_SUBSHELL:
        return shell_subshell(shell, node->first);
    case NODE_IF:
        return run_if(shell, node);
    case NODE_WHILE:
    case NODE_UNTIL:
    case NODE_FOR:
        return run_loop(shell, node);
    case NODE_CASE:
        return run_case(shell, node);
    case NODE_FUNCTION:
        return define_function(shell, node);
    case NODE_CONDITION:
        return shell_condition(shell, node->words);
    }
    return -EINVAL;
}

int shell_run_node(struct shell *shell, struct node *node)
{
    shell->line = node->line;
    int result = shell_enter(shell);
    if (result < 0)
        return result;
    result = shell_spend(shell, COMMAND_COST);
    if (result == 0 && !node->redirections) {
        result = run_kind(shell, node);
    } else if (result == 0) {
        struct redirected redirected;
        bool usable;
        result = redirect_begin(shell, node->redirections, &redirected, &usable);
        if (result == 0 && usable)
            result = run_kind(shell, node);
        redirect_end(shell, &redirected);
    }
    shell_leave(shell);
    return result;
}
