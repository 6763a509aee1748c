/* A growing list of strings, each a copy of its own. */
#ifndef CVMFSEXEC_BASE_STRINGS_H
#define CVMFSEXEC_BASE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

struct strings {
    char **items;
    size_t count;
    size_t capacity;
};

#define STRINGS_INIT                             \
    {                                            \
        .items = NULL, .count = 0, .capacity = 0 \
    }

/* Appends a copy of `string`. 0 or -ENOMEM; on failure nothing has changed. */
int strings_add(struct strings *strings, const char *string);

/* Appends `string` itself, which the list owns from now on; it is freed when that fails, too.
 * NULL gives -ENOMEM, so that the result of an allocating function can be handed over unchecked.
 * 0 or -ENOMEM. */
int strings_take(struct strings *strings, char *string);

bool strings_contain(const struct strings *strings, const char *string);

/* Frees the strings and the list, and leaves an empty list. */
void strings_free(struct strings *strings);

#define auto_strings __attribute__((cleanup(strings_free)))

#endif
