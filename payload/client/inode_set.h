/* A set of inode numbers, one bit each, in pages that are made when they are needed: the numbers of
 * a tree stand close together (tree.h). */
#ifndef CVMFSEXEC_CLIENT_INODE_SET_H
#define CVMFSEXEC_CLIENT_INODE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INODE_SET_PAGE 32768 /* numbers in a page */
#define INODE_SET_MOST 512   /* pages: 2 MB, for 16 million numbers that stand together */

struct inode_set {
    uint8_t **pages; /* NULL where nothing is set */
    size_t count;
    size_t used; /* pages that are not NULL */
};

#define INODE_SET_INIT                       \
    {                                        \
        .pages = NULL, .count = 0, .used = 0 \
    }

/* 0, -ENOMEM, -ENOSPC when the set has grown to its limit, or -ERANGE for a number that is too high
 * (from 2^35 on). */
int inode_set_add(struct inode_set *set, uint64_t inode);
bool inode_set_has(const struct inode_set *set, uint64_t inode);
void inode_set_free(struct inode_set *set);

#endif
