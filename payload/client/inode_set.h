/* A set of inode numbers, one bit each, in pages that are made when they are needed: the numbers of
 * a tree stand close together (tree.h). */
#ifndef CVMFSEXEC_CLIENT_INODE_SET_H
#define CVMFSEXEC_CLIENT_INODE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inode_set {
    uint8_t **pages; /* NULL where nothing is set */
    size_t count;
};

#define INODE_SET_INIT            \
    {                             \
        .pages = NULL, .count = 0 \
    }

/* 0, -ENOMEM, or -ERANGE for a number that is too high (above 2^35). */
int inode_set_add(struct inode_set *set, uint64_t inode);
bool inode_set_has(const struct inode_set *set, uint64_t inode);
void inode_set_free(struct inode_set *set);

#endif
