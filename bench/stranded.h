/* stranded.h: the load for ours and the peers: `size` children that total 40 ms of work are forked, their owner
 * works 40 ms silently, then joins. Late: they are forked while every other worker is busy for another 1 ms. */
#ifndef BENCH_STRANDED_H
#define BENCH_STRANDED_H

#include "load.h"

#define STRANDED_NS 40000000u
#define STRANDED_LATE_NS 1000000u

static uint64_t stranded_share;   /* one child's work in ns */
static unsigned stranded_started; /* busy workers that have begun; an atomic word */

static inline void stranded_busy(void) {
    __atomic_add_fetch(&stranded_started, 1, __ATOMIC_RELEASE);
    load_spin(STRANDED_LATE_NS);
}

/* Waits until every other worker is busy; they are on their way. A second is more than enough. */
static inline void stranded_await_busy(unsigned others) {
    uint64_t end = load_ns() + 1000000000u;
    while (__atomic_load_n(&stranded_started, __ATOMIC_ACQUIRE) < others) {
        if (load_ns() > end) {
            load_fail("stranded: the other workers do not start");
        }
    }
}

static inline void stranded_init(const load_run *run) {
    stranded_share = STRANDED_NS / run->size;
    stranded_started = 0;
}

/* The lower bound: the owner's own work, and all the work spread evenly. */
static inline void stranded_account(load_run *run, uint64_t sum, int late) {
    double busy = late ? 1e-9 * STRANDED_LATE_NS * (run->workers - 1) : 0;
    double even = (1e-9 * STRANDED_NS * 2 + busy) / run->workers;
    load_extra(run, "ideal", even > 1e-9 * STRANDED_NS ? even : 1e-9 * STRANDED_NS);
    run->operations = run->size;
    run->result = sum;
    run->expected = run->size * (run->size + 1) / 2;
}

#endif
