/* The operators are those of `test`, except that = compares with a pattern. */
#include "payload/config/shell_condition.h"

#include <errno.h>
#include <string.h>

#include "payload/base/scope.h"
#include "payload/config/shell_expand.h"
#include "payload/config/shell_pattern.h"
#include "payload/config/shell_test.h"

static bool is_word(const struct word *word, const char *text)
{
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

static int match(struct shell *shell, const struct word *words)
{
    auto_text struct text subject = TEXT_INIT;
    auto_text struct text pattern = TEXT_INIT;
    const struct word *right = words->next->next;
    int result = expand_string(shell, words->text, words->length, &subject);
    if (result == 0)
        result = expand_pattern(shell, right->text, right->length, &pattern);
    if (result == 0)
        result = shell_spend(shell, subject.length + pattern.length);
    if (result < 0)
        return result;
    const bool same = pattern_match(pattern.bytes, subject.bytes, subject.length);
    shell->status = same == is_word(words->next, "!=");
    return 0;
}

int shell_condition(struct shell *shell, const struct word *words)
{
    const struct word *second = words->next;
    if (second && second->next &&
        (is_word(second, "=") || is_word(second, "==") || is_word(second, "!=")))
        return match(shell, words);
    auto_strings struct strings arguments = STRINGS_INIT;
    for (; words; words = words->next) {
        auto_text struct text operand = TEXT_INIT;
        int result = expand_argument(shell, words->text, words->length, &operand);
        if (result == 0)
            result = strings_take(&arguments, text_steal(&operand));
        if (result < 0)
            return result;
    }
    int status = shell_test(shell, arguments.items, arguments.count);
    if (status < 0)
        return status;
    shell->status = status;
    return 0;
}
