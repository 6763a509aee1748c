/* Two threads that fail at one moment may count as one: nothing depends on the exact pause. */
#include "payload/client/throttle.h"

#include <time.h>

#define DELAY_FIRST 32u
#define DELAY_LONGEST 2000u
#define FORGOTTEN_AFTER 10000

unsigned throttle_failure(struct throttle *throttle, int64_t now)
{
    int64_t last = atomic_exchange(&throttle->last, now);
    unsigned delay = atomic_load(&throttle->delay);
    if (delay == 0 || now - last > FORGOTTEN_AFTER)
        delay = DELAY_FIRST;
    else
        delay = delay > DELAY_LONGEST / 2 ? DELAY_LONGEST : 2 * delay;
    atomic_store(&throttle->delay, delay);
    return delay;
}

void throttle_pause(struct throttle *throttle)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* never fails for this clock */
    unsigned delay = throttle_failure(throttle, now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1);
    const struct timespec pause = {.tv_sec = delay / 1000,
                                   .tv_nsec = (long)(delay % 1000) * 1000000};
    (void)nanosleep(&pause, NULL); /* a signal may shorten it */
}
