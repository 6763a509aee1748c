/* The list of servers: a current one that stays until it fails (cvmfs-format.md 9.2).
 * No locks and no clock of its own. */
#ifndef CVMFSEXEC_CLIENT_SERVERS_H
#define CVMFSEXEC_CLIENT_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct servers {
    char **urls; /* as configured; one piece of memory */
    size_t count;
    size_t current;
    int64_t reset_after; /* seconds; 0: never */
    int64_t left;        /* when the first one was left */
};

/* Reads a `;`-separated list; NULL is an empty one. 0 or -ENOMEM. */
int servers_parse(const char *list, int64_t reset_after, struct servers *servers);
void servers_free(struct servers *servers);

/* Returns to the first server when its time has come. `now` in seconds of a steady clock. */
void servers_tick(struct servers *servers, int64_t now);

/* `failed` leads no longer: the next one is current, unless another one was already. True when
 * that changed something. */
bool servers_leave(struct servers *servers, size_t failed, int64_t now);

/* The one behind `skipped` is current, whichever was. */
void servers_skip(struct servers *servers, size_t skipped, int64_t now);

/* Puts the servers into this order, a permutation of 0...count-1. The first one is current.
 * 0 or -ENOMEM. */
int servers_order(struct servers *servers, const size_t *order);

/* Keeps the first `limit` of them (0: all). */
void servers_cut(struct servers *servers, size_t limit);

#endif
