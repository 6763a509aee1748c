/* A small POSIX shell for configuration files.
 *
 * It has the grammar, expansions and builtins that such files use, without background commands,
 * here-documents, traps and job control. What is no builtin is run as the program it is. Standard
 * input and output of the configuration are /dev/null: a file cannot speak into the stdout of a
 * job. Differences from dash, all on purpose: RANDOM is a random number (files choose among servers
 * with it), HOSTNAME, UID and EUID exist, NAME+=value, `source`, `function` and [[ ]] (without =~)
 * work, a missing file behind `.` or an assignment to a readonly name is a problem and not the end.
 *
 * Whatever the bytes, evaluation ends: nesting, memory and the amount of work are bounded. */
#ifndef CVMFSEXEC_CONFIG_SHELL_H
#define CVMFSEXEC_CONFIG_SHELL_H

#include <stdbool.h>
#include <stddef.h>

#include "payload/base/error.h"
#include "payload/base/text.h"

/* What a literal path at the beginning of an assigned value becomes. */
struct shell_relocation {
    const char *from;   /* "/etc": itself or what is below it */
    const char *to;     /* what stands there instead */
    const char *except; /* a variable whose values stay as they are, or NULL */
};

/* All pointers must live as long as the shell. */
struct shell_options {
    char *const *environment; /* "NAME=value" strings, a NULL behind them; all are exported */
    const struct shell_relocation *relocations;
    size_t relocation_count;
    const char *relocated; /* a directory below which no path is relocated again, or NULL */
    bool no_processes;     /* what needs a process or opens a file by < or > fails instead */
    /* Called with every file before it is evaluated, sourced ones too; 0 or a negative errno. */
    int (*file_seen)(void *context, const char *file, const char *text, size_t length);
    void *context;
};

struct shell;

/* 0 or -ENOMEM. The caller frees *shell. */
int shell_create(struct shell **shell, const struct shell_options *options);

void shell_free(struct shell **shell);

#define auto_shell __attribute__((cleanup(shell_free)))

/* Defines a variable that programs and sourced files see. 0 or -ENOMEM. */
int shell_export(struct shell *shell, const char *name, const char *value);

/* Unsets a variable. */
void shell_unset(struct shell *shell, const char *name);

/* The value of a variable, which belongs to the shell, or NULL. */
const char *shell_get(const struct shell *shell, const char *name);

/* Evaluates a file with its directory as working directory (the process's own does not change).
 * -ENOENT and the like when it cannot be read; -EINVAL and other errors with "FILE:LINE: ..." when
 * it is no shell program or a command ended it (${X:?}, a division by zero, too much work); what
 * was assigned before stays. Variables and functions live on to the next file. */
int shell_run_file(struct shell *shell, const char *path, struct error *error);

/* Evaluates `text` as a file of that name. */
int shell_run_text(struct shell *shell, const char *file, const char *text, size_t length,
                   struct error *error);

/* The first thing that went wrong without ending a file, as "FILE:LINE: ..."; its code is 0 when
 * there was none. */
const struct error *shell_problem(const struct shell *shell);

/* Appends what `echo $NAME` prints without its newline: blanks folded, patterns that match files
 * replaced by their names. 0 or a negative errno. */
int shell_echo(struct shell *shell, const char *name, struct text *text);

#endif
