/* Who owns an entry and what it lets people do: from the catalog, as the configuration bends it
 * (cvmfs-format.md 10.3, 10.7). */
#ifndef CVMFSEXEC_CLIENT_OWNERSHIP_H
#define CVMFSEXEC_CLIENT_OWNERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "payload/base/error.h"
#include "payload/client/tree.h"
#include "payload/config/parameters.h"

/* Lines "from to" and "* to". */
struct id_map {
    struct id_pair {
        uint32_t from, to;
    } * pairs;
    size_t count;
    bool has_fallback;
    uint32_t fallback;
};

/* Parses the text of a map file. 0, -EINVAL for a malformed line, -ENOMEM. */
int id_map_parse(const char *bytes, size_t length, struct id_map *map);
uint32_t id_map_apply(const struct id_map *map, uint32_t id);
void id_map_free(struct id_map *map);

struct ownership {
    bool claim; /* everything belongs to the client's own ids */
    uid_t uid;
    gid_t gid;
    bool world_readable;
    struct id_map uids;
    struct id_map gids;
};

/* CVMFS_CLAIM_OWNERSHIP, _WORLD_READABLE, _UID_MAP, _GID_MAP. -EINVAL with the official words for
 * a map that cannot be used (the client's exit status 2). */
int ownership_create(const struct parameters *parameters, struct ownership *ownership,
                     struct error *error);
void ownership_free(struct ownership *ownership);

/* The stat of a node. `link_length` is the length of the expanded link text of a symlink. */
void ownership_stat(const struct ownership *ownership, const struct tree_node *node,
                    size_t link_length, struct stat *status);

#endif
