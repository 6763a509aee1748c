/* Tokens of a shell program. Reserved words are words here: only the parser knows where they are
 * reserved. No aliases, no here-documents. */
#include "payload/config/shell_lexer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "payload/config/shell_syntax.h"

static const struct {
    const char *text;
    enum token_kind kind;
} operators[] = {
    /* longer ones first */
    {"<<", TOKEN_HERE_DOCUMENT},
    {"<&", TOKEN_DUPLICATE_INPUT},
    {"<>", TOKEN_READ_WRITE},
    {"<", TOKEN_INPUT},
    {">>", TOKEN_APPEND},
    {">&", TOKEN_DUPLICATE_OUTPUT},
    {">|", TOKEN_CLOBBER},
    {">", TOKEN_OUTPUT},
    {"&&", TOKEN_AND},
    {"&", TOKEN_BACKGROUND},
    {"||", TOKEN_OR},
    {"|", TOKEN_PIPE},
    {";;", TOKEN_CASE_END},
    {";", TOKEN_SEMICOLON},
    {"(", TOKEN_OPEN},
    {")", TOKEN_CLOSE},
    {"\n", TOKEN_NEWLINE},
};

static bool at_end(const struct lexer *lexer)
{
    return lexer->offset >= lexer->length;
}

static bool looking_at(const struct lexer *lexer, const char *text)
{
    size_t length = strlen(text);
    return lexer->length - lexer->offset >= length &&
           memcmp(lexer->text + lexer->offset, text, length) == 0;
}

/* Blanks, continued lines, comments. */
static void skip_blanks(struct lexer *lexer)
{
    for (;;) {
        if (looking_at(lexer, "\\\n")) {
            lexer->offset += 2;
            lexer->line++;
        } else if (looking_at(lexer, " ") || looking_at(lexer, "\t")) {
            lexer->offset++;
        } else if (looking_at(lexer, "#")) {
            while (!at_end(lexer) && lexer->text[lexer->offset] != '\n')
                lexer->offset++;
        } else {
            return;
        }
    }
}

static int scan_word(struct lexer *lexer, struct error *error)
{
    const size_t begin = lexer->offset;
    const unsigned line = lexer->line;
    int result = 0;
    while (result == 0 && !at_end(lexer)) {
        char c = lexer->text[lexer->offset];
        if (c == '\0')
            return error_set(error, -EINVAL, "%s:%u: a NUL byte: not a text file", lexer->file,
                             lexer->line);
        if (strchr(" \t\n;&|<>()", c))
            break;
        if (strchr("\\'\"`$", c))
            result = scan_piece(lexer->text, lexer->length, &lexer->offset, false, 0);
        else
            lexer->offset++;
    }
    if (result == -E2BIG)
        return error_set(error, -EINVAL, "%s:%u: expansions nested too deeply", lexer->file, line);
    if (result < 0)
        return error_set(error, -EINVAL, "%s:%u: syntax error: quotes or brackets do not end",
                         lexer->file, line);
    const char *text = lexer->text + begin;
    if (memchr(text, '\0', lexer->offset - begin))
        return error_set(error, -EINVAL, "%s:%u: a NUL byte: not a text file", lexer->file, line);
    for (const char *c = text; c < lexer->text + lexer->offset; c++)
        lexer->line += *c == '\n';
    return 0;
}

static bool is_descriptor(const struct lexer *lexer, size_t begin)
{
    for (size_t i = begin; i < lexer->offset; i++)
        if (lexer->text[i] < '0' || lexer->text[i] > '9')
            return false;
    return looking_at(lexer, "<") || looking_at(lexer, ">");
}

int lexer_next(struct lexer *lexer, struct token *token, struct error *error)
{
    skip_blanks(lexer);
    const size_t begin = lexer->offset;
    *token = (struct token){
        .kind = TOKEN_END, .text = lexer->text + begin, .length = 0, .line = lexer->line};
    if (at_end(lexer))
        return 0;
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        if (!looking_at(lexer, operators[i].text))
            continue;
        token->kind = operators[i].kind;
        token->length = strlen(operators[i].text);
        lexer->offset += token->length;
        lexer->line += token->kind == TOKEN_NEWLINE;
        return 0;
    }
    int result = scan_word(lexer, error);
    if (result < 0)
        return result;
    token->kind = is_descriptor(lexer, begin) ? TOKEN_DESCRIPTOR : TOKEN_WORD;
    token->length = lexer->offset - begin;
    return 0;
}
