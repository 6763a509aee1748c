/* Storage of shell variables. Dynamic ones (RANDOM) and positional parameters are not here. */
#include "payload/config/shell_variables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/base/text.h"
#include "payload/config/named.h"

static size_t find_place(const struct variables *variables, const char *name, bool *found)
{
    return named_place(variables->items, variables->count, sizeof *variables->items, name, found);
}

struct variable *variables_find(const struct variables *variables, const char *name)
{
    bool found;
    size_t place = find_place(variables, name, &found);
    return found ? &variables->items[place] : NULL;
}

struct variable *variables_obtain(struct variables *variables, const char *name)
{
    bool found;
    size_t place = find_place(variables, name, &found);
    if (found)
        return &variables->items[place];
    if (variables->count == variables->capacity) {
        size_t capacity = variables->capacity ? 2 * variables->capacity : 64;
        struct variable *items = reallocarray(variables->items, capacity, sizeof *items);
        if (!items)
            return NULL;
        variables->items = items;
        variables->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy)
        return NULL;
    struct variable *variable = &variables->items[place];
    memmove(variable + 1, variable, (variables->count - place) * sizeof *variable);
    variables->count++;
    *variable =
        (struct variable){.name = copy, .value = NULL, .exported = false, .readonly = false};
    return variable;
}

int variables_set(struct variables *variables, const char *name, const char *value)
{
    struct variable *variable = variables_obtain(variables, name);
    if (!variable)
        return -ENOMEM;
    if (variable->readonly)
        return -EPERM;
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    free(variable->value);
    variable->value = copy;
    return 0;
}

int variables_unset(struct variables *variables, const char *name)
{
    struct variable *variable = variables_find(variables, name);
    if (!variable)
        return 0;
    if (variable->readonly)
        return -EPERM;
    free(variable->name);
    free(variable->value);
    size_t behind = variables->count - (size_t)(variable - variables->items) - 1;
    memmove(variable, variable + 1, behind * sizeof *variable);
    variables->count--;
    return 0;
}

int variables_environment(const struct variables *variables, struct strings *environment)
{
    for (size_t i = 0; i < variables->count; i++) {
        const struct variable *variable = &variables->items[i];
        if (!variable->exported || !variable->value)
            continue;
        auto_text struct text line = TEXT_INIT;
        int result = text_printf(&line, "%s=%s", variable->name, variable->value);
        if (result == 0)
            result = strings_take(environment, text_steal(&line));
        if (result < 0)
            return result;
    }
    return 0;
}

int variables_save(const struct variables *variables, const char *name,
                   struct saved_variable **list)
{
    const struct variable *variable = variables_find(variables, name);
    struct saved_variable *saved = calloc(1, sizeof *saved);
    if (!saved)
        return -ENOMEM;
    saved->next = *list;
    *list = saved;
    saved->variable.name = strdup(name);
    if (!saved->variable.name)
        return -ENOMEM;
    if (!variable)
        return 0;
    saved->variable.exported = variable->exported;
    saved->variable.readonly = variable->readonly;
    if (variable->value) {
        saved->variable.value = strdup(variable->value);
        if (!saved->variable.value)
            return -ENOMEM;
    }
    return 0;
}

int variables_restore(struct variables *variables, struct saved_variable **list)
{
    int result = 0;
    while (*list) {
        struct saved_variable *saved = *list;
        *list = saved->next;
        struct variable *variable =
            saved->variable.name ? variables_obtain(variables, saved->variable.name) : NULL;
        if (variable) {
            free(variable->value);
            variable->value = steal_pointer(saved->variable.value);
            variable->exported = saved->variable.exported;
            variable->readonly = saved->variable.readonly;
        } else {
            result = -ENOMEM;
        }
        free(saved->variable.value);
        free(saved->variable.name);
        free(saved);
    }
    return result;
}

void variables_free(struct variables *variables)
{
    for (size_t i = 0; i < variables->count; i++) {
        free(variables->items[i].name);
        free(variables->items[i].value);
    }
    free(variables->items);
    *variables = (struct variables){0};
}
