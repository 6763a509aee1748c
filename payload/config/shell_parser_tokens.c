/* Looking at the next token and taking it. Knows nothing of the grammar. */
#include "payload/config/shell_parser_tokens.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int parser_fail(struct parser *parser, const char *words)
{
    return error_set(parser->error, -EINVAL, "%s:%u: syntax error: %s", parser->lexer.file,
                     parser->token.line, words);
}

int parser_fail_at_token(struct parser *parser)
{
    const struct token *token = &parser->token;
    if (token->kind == TOKEN_END)
        return parser_fail(parser, "the file ends in the middle of a command");
    if (token->kind == TOKEN_NEWLINE)
        return parser_fail(parser, "the line ends in the middle of a command");
    char words[80];
    (void)snprintf(words, sizeof words, "\"%.*s\" unexpected",
                   token->length > 40 ? 40 : (int)token->length, token->text);
    return parser_fail(parser, words);
}

int parser_advance(struct parser *parser)
{
    return lexer_next(&parser->lexer, &parser->token, parser->error);
}

bool parser_at_word(const struct parser *parser, const char *text)
{
    return parser->token.kind == TOKEN_WORD && parser->token.length == strlen(text) &&
           memcmp(parser->token.text, text, parser->token.length) == 0;
}

int parser_expect_word(struct parser *parser, const char *text)
{
    return parser_at_word(parser, text) ? parser_advance(parser) : parser_fail_at_token(parser);
}

int parser_skip_newlines(struct parser *parser)
{
    int result = 0;
    while (result == 0 && parser->token.kind == TOKEN_NEWLINE)
        result = parser_advance(parser);
    return result;
}

void *parser_take(struct parser *parser, size_t size)
{
    void *piece = arena_take(parser->arena, size);
    if (!piece)
        (void)error_set(parser->error, -ENOMEM, "%s:%u: the file is too long", parser->lexer.file,
                        parser->token.line);
    return piece;
}

int parser_make_node(struct parser *parser, enum node_kind kind, struct node **node)
{
    *node = parser_take(parser, sizeof **node);
    if (!*node)
        return -ENOMEM;
    (*node)->kind = kind;
    (*node)->line = parser->token.line;
    return 0;
}

int parser_take_word(struct parser *parser, struct word ***end)
{
    struct word *word = parser_take(parser, sizeof *word);
    if (!word)
        return -ENOMEM;
    word->text = parser->token.text;
    word->length = parser->token.length;
    **end = word;
    *end = &word->next;
    return parser_advance(parser);
}
