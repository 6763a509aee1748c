/* What every rule of the grammar does with tokens. All functions that return an int return 0 or a
 * negative errno, with "FILE:LINE: ..." in the parser's error. */
#ifndef CVMFSEXEC_CONFIG_SHELL_PARSER_TOKENS_H
#define CVMFSEXEC_CONFIG_SHELL_PARSER_TOKENS_H

#include "payload/config/shell_parser.h"

/* How deep commands, and conditions, may be nested. */
enum { PARSE_DEPTH = 100 };

/* A syntax error in these words, or about the token that is there; -EINVAL. */
int parser_fail(struct parser *parser, const char *words);
int parser_fail_at_token(struct parser *parser);

/* Goes on to the next token; to the next one that is no newline. */
int parser_advance(struct parser *parser);
int parser_skip_newlines(struct parser *parser);

/* Is the token this word, without any quotes? Expecting takes it, or fails. */
bool parser_at_word(const struct parser *parser, const char *text);
int parser_expect_word(struct parser *parser, const char *text);

/* Zeroed memory of the arena; NULL with words in the error. */
void *parser_take(struct parser *parser, size_t size);

/* A node with the line of the token that is there. */
int parser_make_node(struct parser *parser, enum node_kind kind, struct node **node);

/* Takes the token that is there as a word at the end of a list, `*end`, which moves behind it. */
int parser_take_word(struct parser *parser, struct word ***end);

#endif
