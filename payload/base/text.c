#include "payload/base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int text_reserve(struct text *text, size_t more)
{
    if (more > SIZE_MAX / 2 - text->length)
        return -ENOMEM;
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return 0;
    size_t capacity = text->capacity ? text->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes)
        return -ENOMEM;
    bytes[text->length] = '\0';
    text->bytes = bytes;
    text->capacity = capacity;
    return 0;
}

int text_append(struct text *text, const void *bytes, size_t length)
{
    int result = text_reserve(text, length);
    if (result < 0)
        return result;
    if (length)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
    return 0;
}

int text_append_string(struct text *text, const char *string)
{
    return text_append(text, string, strlen(string));
}

int text_printf(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    int result = length < 0 ? -EINVAL : text_reserve(text, (size_t)length);
    if (result == 0) {
        (void)vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    return result;
}

void text_free(struct text *text)
{
    free(text->bytes);
    *text = (struct text)TEXT_INIT;
}

char *text_steal(struct text *text)
{
    char *bytes = text->bytes;
    *text = (struct text)TEXT_INIT;
    return bytes;
}

bool string_starts_with(const char *string, const char *prefix)
{
    return strncmp(string, prefix, strlen(prefix)) == 0;
}

bool string_ends_with(const char *string, const char *suffix)
{
    size_t length = strlen(string);
    size_t wanted = strlen(suffix);
    return length >= wanted && memcmp(string + length - wanted, suffix, wanted) == 0;
}
