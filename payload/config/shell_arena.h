/* Memory that lives as long as a shell: its sources and their syntax trees. */
#ifndef CVMFSEXEC_CONFIG_SHELL_ARENA_H
#define CVMFSEXEC_CONFIG_SHELL_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *newest;
    size_t total; /* bytes handed out */
    size_t limit; /* and how many may be; what is beyond fails like an empty memory */
};

/* Zeroed memory, aligned for pointers, or NULL. */
void *arena_take(struct arena *arena, size_t length);

/* A copy of the bytes with a NUL behind them, or NULL. */
char *arena_copy(struct arena *arena, const char *bytes, size_t length);

void arena_free(struct arena *arena);

#endif
