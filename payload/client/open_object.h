/* Objects that are open for reading, shared by all who read them, kept for a while after. */
#ifndef CVMFSEXEC_CLIENT_OPEN_OBJECT_H
#define CVMFSEXEC_CLIENT_OPEN_OBJECT_H

#include <stdint.h>

#include "payload/client/hash.h"

struct open_object {
    struct hash hash;
    int fd;
    unsigned users; /* guarded by the table */
};

struct open_object_table;

int open_object_table_create(struct open_object_table **table);
void open_object_table_destroy(struct open_object_table *table);

/* The open object, with one more user; or NULL when it is not open. */
struct open_object *open_object_find(struct open_object_table *table, const struct hash *hash);

/* Takes over `fd` (closing it on failure) for an object, with one user; another thread's
 * descriptor of the same object is used instead where there is one. NULL when memory is out. */
struct open_object *open_object_add(struct open_object_table *table, const struct hash *hash,
                                    int fd);

/* Closes those without a user: what was removed from the disk meanwhile takes no room any more. */
void open_object_close_unused(struct open_object_table *table);

void open_object_release(struct open_object_table *table, struct open_object *object);

#endif
