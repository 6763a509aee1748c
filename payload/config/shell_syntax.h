/* The syntax tree of a shell program. Words stay as they are written, as slices of the source:
 * they are expanded each time they are used. */
#ifndef CVMFSEXEC_CONFIG_SHELL_SYNTAX_H
#define CVMFSEXEC_CONFIG_SHELL_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

struct word {
    const char *text;
    size_t length;
    struct word *next;
};

enum redirection_kind {
    REDIRECT_INPUT,     /* [n]<word */
    REDIRECT_OUTPUT,    /* [n]>word, [n]>|word */
    REDIRECT_APPEND,    /* [n]>>word */
    REDIRECT_DUPLICATE, /* [n]>&word, [n]<&word; word is a digit or "-" */
};

struct redirection {
    enum redirection_kind kind;
    int descriptor;
    struct word target;
    struct redirection *next;
};

struct case_item {
    struct word *patterns;
    struct node *body;
    struct case_item *next;
};

/* How a member of an and-or list hangs on the one before it. */
enum connector { CONNECT_ALWAYS, CONNECT_AND, CONNECT_OR };

enum node_kind {
    NODE_COMMAND,   /* assignments, words */
    NODE_PIPELINE,  /* first: members by next */
    NODE_AND_OR,    /* first: members by next, each with its connector */
    NODE_GROUP,     /* first: list by next */
    NODE_SUBSHELL,  /* first: list by next */
    NODE_IF,        /* first: condition, second: then, third: else (or NULL) */
    NODE_WHILE,     /* first: condition, second: body */
    NODE_UNTIL,     /* the same */
    NODE_FOR,       /* name, words (all positional parameters without has_words), first: body */
    NODE_CASE,      /* words: the subject, items */
    NODE_FUNCTION,  /* name, first: body */
    NODE_CONDITION, /* words: one to three, of [[ ]] */
};

struct node {
    enum node_kind kind;
    enum connector connector;
    bool negated; /* "!" before a pipeline, here on any kind */
    bool has_words;
    unsigned line;
    const char *name;
    struct word *assignments;
    struct word *words;
    struct redirection *redirections;
    struct case_item *items;
    struct node *first;
    struct node *second;
    struct node *third;
    struct node *next;
};

/* The length of the name at the beginning of `text` (letters, digits, underscore, no digit first);
 * 0 when there is none. */
size_t name_length(const char *text, size_t length);

/* The length of "NAME=" or "NAME+=" at the beginning of a word; 0 when it is no assignment. */
size_t assignment_length(const char *text, size_t length);

/* *at is on one of \ ' " ` or $ : moves it behind the quoted or expanded piece that begins there (a
 * $ that begins none is passed over alone). `quoted`: the piece stands between double quotes.
 * `depth` is 0 for the caller. -EINVAL when the piece does not end, -E2BIG when such pieces are
 * nested too deeply. */
int scan_piece(const char *text, size_t length, size_t *at, bool quoted, unsigned depth);

/* *at is behind the opening "${": moves it behind the "}" that belongs to it. Errors likewise. */
int scan_braces(const char *text, size_t length, size_t *at, bool quoted, unsigned depth);

#endif
