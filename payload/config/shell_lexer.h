/* Cutting a shell program into words and operators. */
#ifndef CVMFSEXEC_CONFIG_SHELL_LEXER_H
#define CVMFSEXEC_CONFIG_SHELL_LEXER_H

#include <stddef.h>

#include "payload/base/error.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NEWLINE,
    TOKEN_WORD,
    TOKEN_DESCRIPTOR, /* digits right before < or > */
    TOKEN_SEMICOLON,
    TOKEN_CASE_END, /* ;; */
    TOKEN_BACKGROUND,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_PIPE,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_INPUT,
    TOKEN_OUTPUT,
    TOKEN_CLOBBER,
    TOKEN_APPEND,
    TOKEN_DUPLICATE_INPUT,
    TOKEN_DUPLICATE_OUTPUT,
    TOKEN_READ_WRITE,
    TOKEN_HERE_DOCUMENT,
};

struct token {
    enum token_kind kind;
    const char *text; /* a slice of the source */
    size_t length;
    unsigned line;
};

struct lexer {
    const char *file; /* for messages */
    const char *text;
    size_t length;
    size_t offset;
    unsigned line;
};

/* Takes the next token. -EINVAL with "FILE:LINE: ..." where quotes or brackets do not end, or at a
 * NUL byte, which no shell program has. */
int lexer_next(struct lexer *lexer, struct token *token, struct error *error);

#endif
