#include "payload/client/variables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "payload/base/scope.h"

/* Appends what the text between the parentheses stands for. */
static int append_value(const char *expression, size_t length, struct text *target)
{
    const char *separator = memmem(expression, length, ":-", 2);
    size_t name_length = separator ? (size_t)(separator - expression) : length;
    auto_free char *name = strndup(expression, name_length);
    if (!name)
        return -ENOMEM;
    const char *value = *name ? getenv(name) : NULL;
    if (value)
        return text_append_string(target, value);
    if (!separator)
        return 0;
    return text_append(target, separator + 2, length - name_length - 2);
}

int variables_expand(const char *link, size_t length, struct text *target)
{
    const char *end = link + length;
    int result = text_reserve(target, length);
    while (result == 0 && link < end) {
        const char *open = memmem(link, (size_t)(end - link), "$(", 2);
        const char *close = open ? memchr(open, ')', (size_t)(end - open)) : NULL;
        const char *literal_end = close ? open : end;
        result = text_append(target, link, (size_t)(literal_end - link));
        if (!close)
            break;
        if (result == 0)
            result = append_value(open + 2, (size_t)(close - open - 2), target);
        link = close + 1;
    }
    return result;
}
