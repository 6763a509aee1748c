#include "payload/client/inode_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST_INDEX (1u << 20)

static int grow(struct inode_set *set, size_t count)
{
    uint8_t **pages = realloc(set->pages, count * sizeof(uint8_t *));
    if (!pages)
        return -ENOMEM;
    memset(pages + set->count, 0, (count - set->count) * sizeof(uint8_t *));
    set->pages = pages;
    set->count = count;
    return 0;
}

int inode_set_add(struct inode_set *set, uint64_t inode)
{
    const uint64_t page = inode / INODE_SET_PAGE;
    if (page >= MOST_INDEX)
        return -ERANGE;
    if (page >= set->count && grow(set, (size_t)page + 1) < 0)
        return -ENOMEM;
    if (!set->pages[page]) {
        if (set->used == INODE_SET_MOST)
            return -ENOSPC;
        set->pages[page] = calloc(1, INODE_SET_PAGE / 8);
        if (!set->pages[page])
            return -ENOMEM;
        set->used++;
    }
    set->pages[page][inode % INODE_SET_PAGE / 8] |= (uint8_t)(1u << inode % 8);
    return 0;
}

bool inode_set_has(const struct inode_set *set, uint64_t inode)
{
    const uint64_t page = inode / INODE_SET_PAGE;
    return page < set->count && set->pages[page] &&
           set->pages[page][inode % INODE_SET_PAGE / 8] & 1u << inode % 8;
}

void inode_set_free(struct inode_set *set)
{
    for (size_t index = 0; index < set->count; index++)
        free(set->pages[index]);
    free(set->pages);
    *set = (struct inode_set)INODE_SET_INIT;
}
