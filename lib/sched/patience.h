/* sched/patience.h: how long to look again and again before one sleeps.
 *
 * It pays where the wait is over within the time that a wake-up costs, and else burns the CPU, which may be the one that
 * somebody needs in order to end the wait. So the time adapts itself to the last waits: it grows while sleeps are short,
 * and a few long ones make it 0. Between two looks one gives way, and does not pause: on Linux whoever is woken often
 * shares the CPU of his waker. If he does, he gets it, and both go on without another system call; if he does not, the
 * call costs 0.2 us.
 */
#ifndef VTI_SCHED_PATIENCE_H
#define VTI_SCHED_PATIENCE_H

#include <stdint.h>

enum {
    PATIENCE_MOST_NS = 20 * 1000, /* about what it costs to wake a thread on another CPU */
    PATIENCE_LEAST_NS = 1000,
    PATIENCE_SLEPT_NS = 50 * 1000, /* whoever sleeps less would have done better to look on */
};

/* The new time, after a wait that was longer than the old one. */
static inline uint32_t patience_after(uint32_t patience_ns, uint64_t waited_ns) {
    if (waited_ns >= PATIENCE_SLEPT_NS) {
        return patience_ns / 2 >= PATIENCE_LEAST_NS ? patience_ns / 2 : 0;
    }
    uint32_t longer = patience_ns * 2 > PATIENCE_LEAST_NS ? patience_ns * 2 : PATIENCE_LEAST_NS;
    return longer < PATIENCE_MOST_NS ? longer : PATIENCE_MOST_NS;
}

#endif
