/* The inside of a shell: what its parts share. Nobody outside payload/config/shell_*.c includes
 * this. */
#ifndef CVMFSEXEC_CONFIG_SHELL_STATE_H
#define CVMFSEXEC_CONFIG_SHELL_STATE_H

#include "payload/base/strings.h"
#include "payload/config/shell.h"
#include "payload/config/shell_arena.h"
#include "payload/config/shell_syntax.h"
#include "payload/config/shell_variables.h"

struct function {
    const char *name;
    const char *file;
    struct node *body;
    struct function *next;
};

/* What leaves commands early: break and continue for `unwind_levels` loops, return for a function
 * or sourced file, exit for everything. */
enum unwinding { UNWIND_NONE, UNWIND_BREAK, UNWIND_CONTINUE, UNWIND_RETURN, UNWIND_EXIT };

struct shell {
    struct shell_options options;
    struct variables variables;
    struct function *functions;
    struct strings positional;
    struct saved_variable **locals; /* of the function that runs, NULL outside of any */
    struct arena arena;
    char *directory;  /* the working directory */
    const char *file; /* what is evaluated; lives in the arena */
    unsigned line;
    int descriptors[3]; /* standard ones for what runs; -1 is /dev/null */
    int status;         /* $? */
    bool substituted;   /* a $(...) has set it since a command began */
    enum unwinding unwinding;
    unsigned unwind_levels;
    unsigned loops; /* around the command that runs */
    unsigned depth; /* of evaluation */
    long long budget;
    unsigned random;
    struct error *error; /* of the caller, for what ends the evaluation */
    struct error problem;
};

/* Fail, or note the first problem, with "FILE:LINE: " in front. shell_fail returns `code`. */
int shell_fail(struct shell *shell, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void shell_note(struct shell *shell, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes `amount` (about the bytes touched) off what the shell may still do. 0 or a failure. */
int shell_spend(struct shell *shell, size_t amount);

/* One level deeper into evaluation: 0 or a failure; shell_leave when it was 0. */
int shell_enter(struct shell *shell);
void shell_leave(struct shell *shell);

/* Assigns, noting (not failing) when the name is readonly. 0 or -ENOMEM. */
int shell_assign(struct shell *shell, const char *name, const char *value);

/* The next value of RANDOM: 0 to 32767. */
unsigned shell_random(struct shell *shell);

/* Appends `path` as seen from the working directory of the shell. 0 or -ENOMEM. */
int shell_path(const struct shell *shell, const char *path, struct text *text);

/* Evaluates a text that lives in the arena, in the present file. 0 or a failure. */
int shell_evaluate(struct shell *shell, const char *text, size_t length, unsigned line);

/* `. path`. 0 or a failure; a file that is not there is a problem and status 1. */
int shell_source(struct shell *shell, const char *path);

/* Runs what hangs together by `next`. 0 or a failure; the status is in the shell. */
int shell_run_list(struct shell *shell, struct node *list);
int shell_run_node(struct shell *shell, struct node *node);

/* Runs a command whose words are expanded; `functions`: functions count too. 0 or a failure. */
int shell_run_arguments(struct shell *shell, struct strings *arguments, bool functions);

#endif
