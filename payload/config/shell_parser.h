/* From a shell program to its syntax tree, one complete command at a time, so that what stands
 * before a syntax error has run when the error is found. */
#ifndef CVMFSEXEC_CONFIG_SHELL_PARSER_H
#define CVMFSEXEC_CONFIG_SHELL_PARSER_H

#include "payload/config/shell_arena.h"
#include "payload/config/shell_lexer.h"
#include "payload/config/shell_syntax.h"

struct parser {
    struct lexer lexer;
    struct arena *arena;
    struct error *error;
    struct token token; /* looked at, not yet taken */
    unsigned depth;
};

/* Begins to read `text`, which must live as long as the trees. `line` is the number of its first
 * line; `file` names it in messages. */
void parser_begin(struct parser *parser, struct arena *arena, const char *file, unsigned line,
                  const char *text, size_t length, struct error *error);

/* Parses up to the end of the next line that ends a command: *list is its commands by `next`.
 * Returns 1, 0 at the end of the text, or a negative errno with "FILE:LINE: ...". Nothing behind
 * that line is looked at. */
int parser_next(struct parser *parser, struct node **list);

#endif
