/* A growing byte string: file contents, messages, lists under construction. */
#ifndef CVMFSEXEC_BASE_TEXT_H
#define CVMFSEXEC_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* `bytes` is NULL or holds `length` bytes and a NUL behind them, which `length` does not count. */
struct text {
    char *bytes;
    size_t length;
    size_t capacity;
};

#define TEXT_INIT {.bytes = NULL, .length = 0, .capacity = 0}

/* Makes room for `more` bytes (and a NUL) behind the present ones. 0 or -ENOMEM. */
int text_reserve(struct text *text, size_t more);

/* Append bytes, a C string, or formatted words. 0 or -ENOMEM; on failure nothing has changed. */
int text_append(struct text *text, const void *bytes, size_t length);
int text_append_string(struct text *text, const char *string);
int text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees the bytes and leaves an empty text. */
void text_free(struct text *text);

#define auto_text __attribute__((cleanup(text_free)))

/* Hands the bytes to the caller, who frees them, and leaves an empty text. Never NULL for a text
 * that was appended to; NULL for an empty one. */
char *text_steal(struct text *text);

bool string_starts_with(const char *string, const char *prefix);
bool string_ends_with(const char *string, const char *suffix);

#endif
