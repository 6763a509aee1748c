#include "payload/base/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int strings_take(struct strings *strings, char *string)
{
    if (!string)
        return -ENOMEM;
    if (strings->count == strings->capacity) {
        size_t capacity = strings->capacity ? 2 * strings->capacity : 8;
        char **items = reallocarray(strings->items, capacity, sizeof *items);
        if (!items) {
            free(string);
            return -ENOMEM;
        }
        strings->items = items;
        strings->capacity = capacity;
    }
    strings->items[strings->count++] = string;
    return 0;
}

int strings_add(struct strings *strings, const char *string)
{
    return strings_take(strings, strdup(string));
}

bool strings_contain(const struct strings *strings, const char *string)
{
    for (size_t index = 0; index < strings->count; index++)
        if (strcmp(strings->items[index], string) == 0)
            return true;
    return false;
}

void strings_free(struct strings *strings)
{
    for (size_t index = 0; index < strings->count; index++)
        free(strings->items[index]);
    free(strings->items);
    *strings = (struct strings)STRINGS_INIT;
}
