/* Time for pauses and rates. */
#ifndef CVMFSEXEC_PACKER_CLOCK_H
#define CVMFSEXEC_PACKER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since some moment; nobody sets this clock back. */
static inline int64_t clock_milliseconds(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail on Linux */
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

#endif
