/* Where the children of a directory are: which attached catalog, under which path there.
 *
 * Walking up to a directory's path takes a query per level, so the answers for the directories
 * used last are kept. */
#ifndef CVMFSEXEC_CLIENT_DIRECTORY_H
#define CVMFSEXEC_CLIENT_DIRECTORY_H

#include <stdint.h>

#include "payload/base/text.h"

struct directory_cache;

int directory_cache_create(struct directory_cache **cache);
void directory_cache_destroy(struct directory_cache *cache);

/* Finds what was kept for `inode`: the inode base of the catalog that holds the children, and the
 * directory's path in that catalog (appended to `path`). 0, -ENOENT, -ENOMEM. */
int directory_cache_find(struct directory_cache *cache, uint64_t inode, uint64_t *base,
                         struct text *path);

/* `generation` is what directory_cache_generation said before the answer was worked out: an answer
 * from before a clear is not kept. */
void directory_cache_keep(struct directory_cache *cache, uint64_t generation, uint64_t inode,
                          uint64_t base, const struct text *path);
uint64_t directory_cache_generation(struct directory_cache *cache);

/* Forgets everything: the revision has changed. */
void directory_cache_clear(struct directory_cache *cache);

#endif
