/* Words and what they expand to.
 *
 * An expansion is a text with a mark per byte that says where the byte comes from, because that
 * decides what may still happen to it: field splitting, patterns, relocation. */
#ifndef CVMFSEXEC_CONFIG_SHELL_EXPAND_H
#define CVMFSEXEC_CONFIG_SHELL_EXPAND_H

#include "payload/config/shell_state.h"

enum {
    MARK_QUOTED = 1,  /* neither split nor a pattern */
    MARK_SPLIT = 2,   /* split at IFS */
    MARK_FOREIGN = 4, /* not written in the file but a value or an output */
    MARK_EMPTY = 8,   /* no byte at all, but a field must be here: "" */
    MARK_BREAK = 16,  /* no byte: one positional parameter ends here */
};

struct expansion {
    struct text bytes;
    struct text marks; /* as many */
};

#define EXPANSION_INIT                         \
    {                                          \
        .bytes = TEXT_INIT, .marks = TEXT_INIT \
    }

void expansion_free(struct expansion *expansion);

#define auto_expansion __attribute__((cleanup(expansion_free)))

/* Appends bytes that all have the same mark. 0 or a failure of the shell. */
int expansion_add(struct shell *shell, struct expansion *expansion, const char *bytes,
                  size_t length, unsigned mark);

/* Appends what a slice of the source expands to. `mark` is that of its literal text: 0 for a word,
 * MARK_QUOTED inside double quotes, MARK_SPLIT for the word of ${NAME-word}. 0 or a failure. */
int expand(struct shell *shell, const char *text, size_t length, unsigned mark,
           struct expansion *expansion);

/* Appends the value of an assignment to `name`: no fields, no patterns; relocated. */
int expand_assignment(struct shell *shell, const char *name, const char *text, size_t length,
                      struct text *value);

/* Appends a word that becomes one string as it is. */
int expand_string(struct shell *shell, const char *text, size_t length, struct text *value);

/* The same for an argument of a command: a path of the tree is found there. */
int expand_argument(struct shell *shell, const char *text, size_t length, struct text *value);

/* Appends a word as a pattern for pattern_match: quoted bytes are escaped. */
int expand_pattern(struct shell *shell, const char *text, size_t length, struct text *pattern);

/* Appends the fields of a word. */
int expand_fields(struct shell *shell, const char *text, size_t length, struct strings *fields);

/* Splits an expansion into fields and replaces those that are patterns of existing files. */
int expansion_fields(struct shell *shell, const struct expansion *expansion,
                     struct strings *fields);

/* Appends the bytes as one string, or as a pattern. 0 or -ENOMEM. */
int expansion_string(const struct expansion *expansion, struct text *text);
int expansion_pattern(const struct expansion *expansion, struct text *pattern);

/* Does it begin with a slash, whatever the quotes? */
bool expansion_is_path(const struct expansion *expansion);

/* Appends the string with the relocations of the shell applied: to a value that is assigned to
 * `name` (also behind each ':' of a list of paths), or, when `name` is NULL, to an argument that is
 * a path of a file which exists at the relocated place. 0 or a failure. */
int expansion_relocate(struct shell *shell, const char *name, const struct expansion *expansion,
                       struct text *text);

/* Appends what `$...` expands to; *at is on the dollar and is moved behind the piece. */
int expand_parameter(struct shell *shell, const char *text, size_t length, size_t *at,
                     unsigned mark, struct expansion *expansion);

#endif
