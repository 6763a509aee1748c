/* A sorted set of named values and the texts it is written as. Knows nothing of files or shells. */
#include "payload/config/parameters.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "payload/base/scope.h"
#include "payload/config/named.h"

static void parameter_free(struct parameter *parameter)
{
    free(parameter->name);
    free(parameter->value);
    free(parameter->origin);
}

void parameters_free(struct parameters *parameters)
{
    for (size_t i = 0; i < parameters->count; i++)
        parameter_free(&parameters->items[i]);
    free(parameters->items);
    *parameters = (struct parameters)PARAMETERS_INIT;
}

static size_t find_place(const struct parameters *parameters, const char *name, bool *found)
{
    return named_place(parameters->items, parameters->count, sizeof *parameters->items, name,
                       found);
}

static int make_room(struct parameters *parameters)
{
    if (parameters->count < parameters->capacity)
        return 0;
    size_t capacity = parameters->capacity ? 2 * parameters->capacity : 64;
    struct parameter *items = reallocarray(parameters->items, capacity, sizeof *items);
    if (!items)
        return -ENOMEM;
    parameters->items = items;
    parameters->capacity = capacity;
    return 0;
}

int parameters_set(struct parameters *parameters, const char *name, const char *value,
                   const char *origin)
{
    auto_free char *name_copy = strdup(name);
    auto_free char *value_copy = strdup(value);
    auto_free char *origin_copy = strdup(origin ? origin : "");
    if (!name_copy || !value_copy || !origin_copy)
        return -ENOMEM;

    bool found;
    size_t place = find_place(parameters, name, &found);
    if (found) {
        parameter_free(&parameters->items[place]);
    } else {
        int result = make_room(parameters);
        if (result < 0)
            return result;
        memmove(&parameters->items[place + 1], &parameters->items[place],
                (parameters->count - place) * sizeof *parameters->items);
        parameters->count++;
    }
    parameters->items[place] = (struct parameter){.name = steal_pointer(name_copy),
                                                  .value = steal_pointer(value_copy),
                                                  .origin = steal_pointer(origin_copy)};
    return 0;
}

const char *parameters_get(const struct parameters *parameters, const char *name)
{
    bool found;
    size_t place = find_place(parameters, name, &found);
    return found ? parameters->items[place].value : NULL;
}

bool parameter_is_on(const char *value, bool fallback)
{
    static const char *const on[] = {"yes", "on", "1", "true"};
    static const char *const off[] = {"no", "off", "0", "false"};
    for (size_t i = 0; value && i < sizeof on / sizeof *on; i++) {
        if (strcasecmp(value, on[i]) == 0)
            return true;
        if (strcasecmp(value, off[i]) == 0)
            return false;
    }
    return fallback;
}

bool parameters_is_on(const struct parameters *parameters, const char *name, bool fallback)
{
    return parameter_is_on(parameters_get(parameters, name), fallback);
}

long long parameters_number(const struct parameters *parameters, const char *name,
                            long long fallback)
{
    const char *value = parameters_get(parameters, name);
    return value ? strtoll(value, NULL, 10) : fallback;
}

int parameters_format(const struct parameters *parameters, struct text *text)
{
    for (size_t i = 0; i < parameters->count; i++) {
        int result = text_printf(text, "%s='", parameters->items[i].name);
        for (const char *c = parameters->items[i].value; result == 0 && *c; c++) {
            /* A line of the file is a line of the value's: a newline would end it, and what
             * follows could look like another assignment. */
            if (*c == '\'')
                result = text_append_string(text, "'\\''");
            else
                result = text_append(text, *c == '\n' ? " " : c, 1);
        }
        if (result == 0)
            result = text_append_string(text, "'\n");
        if (result < 0)
            return result;
    }
    return 0;
}

static bool needs_quotes(const char *value)
{
    for (; *value; value++) {
        bool plain = (*value >= 'A' && *value <= 'Z') || (*value >= 'a' && *value <= 'z') ||
                     (*value >= '0' && *value <= '9') || strchr("/:._-,", *value);
        if (!plain)
            return true;
    }
    return false;
}

static int print_value(const char *value, struct text *text)
{
    if (!needs_quotes(value))
        return text_append_string(text, value);
    int result = text_append_string(text, "'");
    for (; result == 0 && *value; value++)
        result = *value == '\'' ? text_append_string(text, "\\'") : text_append(text, value, 1);
    return result < 0 ? result : text_append_string(text, "'");
}

int parameters_print(const struct parameters *parameters, struct text *text)
{
    int result = text_append_string(text, "# CernVM-FS parameters:\n");
    for (size_t i = 0; result == 0 && i < parameters->count; i++) {
        const struct parameter *parameter = &parameters->items[i];
        result = text_printf(text, "%s=", parameter->name);
        if (result == 0)
            result = print_value(parameter->value, text);
        if (result == 0)
            result = text_printf(text, "    # from %s\n", parameter->origin);
    }
    return result < 0 ? result : text_append_string(text, "\n");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

char **parameters_split(const char *list, char separator, size_t *count)
{
    if (!list)
        list = "";
    const size_t length = strlen(list);
    size_t most = 1;
    for (size_t i = 0; i < length; i++)
        most += list[i] == separator;
    if (most > (SIZE_MAX - length - 1) / sizeof(char *) - 1)
        return NULL;
    const size_t pointers = (most + 1) * sizeof(char *);
    char **parts = malloc(pointers + length + 1);
    if (!parts)
        return NULL;
    char *copy = (char *)parts + pointers;
    memcpy(copy, list, length + 1);

    size_t found = 0;
    for (size_t begin = 0; begin <= length;) {
        size_t end = begin;
        while (end < length && copy[end] != separator)
            end++;
        size_t first = begin;
        size_t last = end;
        while (first < last && is_blank(copy[first]))
            first++;
        while (last > first && is_blank(copy[last - 1]))
            last--;
        if (first < last) {
            copy[last] = '\0';
            parts[found++] = copy + first;
        }
        begin = end + 1;
    }
    parts[found] = NULL;
    if (count)
        *count = found;
    return parts;
}
