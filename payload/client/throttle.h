/* Slows down who fails again and again, so that a broken repository does not make everybody who
 * reads it hammer its servers (cvmfs-format.md 9.4). */
#ifndef CVMFSEXEC_CLIENT_THROTTLE_H
#define CVMFSEXEC_CLIENT_THROTTLE_H

#include <stdatomic.h>
#include <stdint.h>

/* Zero is the beginning. */
struct throttle {
    atomic_int_fast64_t last; /* milliseconds: the last failure */
    atomic_uint delay;        /* milliseconds: the pause after it */
};

/* Counts a failure at `now`, milliseconds of a steady clock above 0; returns for how many
 * milliseconds to pause: 32, then twice as long each time, at most 2 s; again 32 after 10 s without
 * a failure. */
unsigned throttle_failure(struct throttle *throttle, int64_t now);

/* The same by the clock, and the pause. */
void throttle_pause(struct throttle *throttle);

#endif
