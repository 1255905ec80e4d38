/* os/clock.c: time, for bounded spins and for rates. */
#include "os/clock.h"

#include <time.h>

uint64_t vti_clock_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with a clock that exists */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
