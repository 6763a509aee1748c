/* Memory in blocks that are freed together. Single pieces are never given back. */
#include "payload/config/shell_arena.h"

#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *older;
    size_t used;
    size_t size;
    _Alignas(max_align_t) char bytes[];
};

enum { BLOCK_SIZE = 16 * 1024 };

static struct arena_block *add_block(struct arena *arena, size_t length)
{
    size_t size = length > BLOCK_SIZE ? length : BLOCK_SIZE;
    struct arena_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    *block = (struct arena_block){.older = arena->newest, .used = 0, .size = size};
    arena->newest = block;
    return block;
}

void *arena_take(struct arena *arena, size_t length)
{
    if (arena->total > arena->limit || length > arena->limit - arena->total)
        return NULL;
    length = (length + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    struct arena_block *block = arena->newest;
    if (!block || block->size - block->used < length)
        block = add_block(arena, length);
    if (!block)
        return NULL;
    void *piece = block->bytes + block->used;
    block->used += length;
    arena->total += length;
    memset(piece, 0, length);
    return piece;
}

char *arena_copy(struct arena *arena, const char *bytes, size_t length)
{
    char *copy = arena_take(arena, length + 1);
    if (copy && length)
        memcpy(copy, bytes, length);
    return copy;
}

void arena_free(struct arena *arena)
{
    while (arena->newest) {
        struct arena_block *block = arena->newest;
        arena->newest = block->older;
        free(block);
    }
    arena->total = 0;
}
