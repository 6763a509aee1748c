/* Splitting and quoting. No variable, pattern or command is looked for: this is not a shell. */
#include "payload/container/words.h"

#include <errno.h>
#include <string.h>

static const char blanks[] = " \t\n";

/* Appends what stands between double quotation marks; `*at` is behind the first one. */
static int take_double_quoted(const char **at, struct text *word)
{
    for (; **at && **at != '"'; (*at)++) {
        if (**at == '\\' && strchr("\\\"$`", (*at)[1]) && (*at)[1])
            (*at)++;
        if (text_append(word, *at, 1) < 0)
            return -ENOMEM;
    }
    return **at ? (*at)++, 0 : -EINVAL;
}

static int take_single_quoted(const char **at, struct text *word)
{
    const char *end = strchr(*at, '\'');
    if (!end)
        return -EINVAL;
    int result = text_append(word, *at, (size_t)(end - *at));
    *at = end + 1;
    return result;
}

/* Appends the word at `*at`, which is not blank, and moves behind it. */
static int take_word(const char **at, struct text *word)
{
    int result = text_append(word, "", 0);
    while (result == 0 && **at && !strchr(blanks, **at)) {
        const char letter = *(*at)++;
        if (letter == '"')
            result = take_double_quoted(at, word);
        else if (letter == '\'')
            result = take_single_quoted(at, word);
        else if (letter == '\\' && **at)
            result = text_append(word, (*at)++, 1);
        else
            result = text_append(word, &letter, 1);
    }
    return result;
}

int words_split(const char *line, struct strings *words)
{
    int result = 0;
    while (result == 0 && *(line += strspn(line, blanks))) {
        auto_text struct text word = TEXT_INIT;
        result = take_word(&line, &word);
        if (result == 0)
            result = strings_take(words, text_steal(&word));
    }
    return result;
}

int word_quote(const char *word, struct text *line)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";
    if (*word && !word[strspn(word, plain)])
        return text_append_string(line, word);
    int result = text_append_string(line, "'");
    for (; result == 0 && *word; word++)
        result = *word == '\'' ? text_append_string(line, "'\\''") : text_append(line, word, 1);
    return result < 0 ? result : text_append_string(line, "'");
}
