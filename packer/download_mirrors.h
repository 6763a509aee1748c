/* Which mirror is asked next, and when: for one download. */
#ifndef CVMFSEXEC_PACKER_DOWNLOAD_MIRRORS_H
#define CVMFSEXEC_PACKER_DOWNLOAD_MIRRORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload/base/error.h"

struct download_mirror {
    bool refused;       /* it will not be asked again */
    int64_t not_before; /* milliseconds, on the clock of the caller */
    struct error error; /* of its last failure */
};

/* The rules by which it goes: as in struct download_settings. */
struct download_patience {
    unsigned rounds;
    unsigned pause;
    unsigned pause_max;
};

struct download_mirrors {
    struct download_mirror *items;
    size_t count;
    size_t current; /* the one to ask */
    unsigned round; /* from 0 */
    struct download_patience patience;
};

/* 0 or -ENOMEM. */
int download_mirrors_open(size_t count, struct download_patience patience,
                          struct download_mirrors *mirrors);
void download_mirrors_close(struct download_mirrors *mirrors);

/* The current one failed in a way that may pass: the next one becomes current, after the last one
 * the first, with a pause. `retry_after` in seconds, as the server said, or 0. `dice` is any
 * random number, which shortens the pause by up to a half: so that many who failed together do not
 * come back together. False when none is left. */
bool download_mirrors_retry(struct download_mirrors *mirrors, int64_t now, int64_t retry_after,
                            uint32_t dice);

/* The current one failed for good. */
bool download_mirrors_refuse(struct download_mirrors *mirrors, int64_t now, uint32_t dice);

/* When the current one may be asked. */
int64_t download_mirrors_time(const struct download_mirrors *mirrors);

/* The words of all that failed, for when none is left. Returns the code: -ENOENT when all of them
 * said that, otherwise the first other one. */
int download_mirrors_error(const struct download_mirrors *mirrors, struct error *error);

#endif
