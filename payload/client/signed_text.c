/* Taking the envelope apart. Nothing is copied, and no signature is checked here. */
#include "payload/client/signed_text.h"

#include <errno.h>
#include <string.h>

static const char separator[] = "\n--\n";

int signed_text_split(const void *bytes, size_t length, struct signed_text *text)
{
    const char *begin = bytes;
    const char *found = memmem(bytes, length, separator, sizeof separator - 1);
    if (!found)
        return -EINVAL;
    text->body = begin;
    text->body_length = (size_t)(found - begin) + 1;
    text->digest_text = found + sizeof separator - 1;
    const size_t rest = length - (size_t)(text->digest_text - begin);
    const char *newline = memchr(text->digest_text, '\n', rest);
    if (!newline)
        return -EINVAL;
    text->digest_length = (size_t)(newline - text->digest_text);
    text->signature.bytes = newline + 1;
    text->signature.length = rest - text->digest_length - 1;
    if (text->signature.length == 0)
        return -EINVAL;
    return hash_parse(text->digest_text, text->digest_length, &text->digest);
}

bool signed_text_is_intact(const struct signed_text *text)
{
    struct hash actual;
    return hash_compute(text->digest.algorithm, text->body, text->body_length, &actual) == 0 &&
           hash_equal(&actual, &text->digest);
}

bool text_next_line(const char *text, size_t length, size_t *offset, const char **line,
                    size_t *line_length)
{
    if (*offset >= length)
        return false;
    *line = text + *offset;
    const char *newline = memchr(*line, '\n', length - *offset);
    *line_length = newline ? (size_t)(newline - *line) : length - *offset;
    *offset += *line_length + 1;
    return true;
}
