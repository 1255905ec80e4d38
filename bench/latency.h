/* latency.h: `size` round trips, 200 us apart: median time of one, CPU time of all threads for one. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include "load.h"

#define LATENCY_PAUSE_NS 200000u

/* trip(context) returns the number of tasks that have run: 1. */
static inline void latency_measure(load_run *run, uint64_t (*trip)(void *context), void *context) {
    double *us = (double *)load_alloc_resident(run->size, sizeof *us);
    for (int i = 0; i < 20; i++) {
        load_sleep(LATENCY_PAUSE_NS);
        trip(context);
    }
    load_begin(run);
    for (uint64_t i = 0; i < run->size; i++) {
        load_sleep(LATENCY_PAUSE_NS);
        uint64_t begun = load_ns();
        run->result += trip(context);
        us[i] = 1e-3 * (double)(load_ns() - begun);
    }
    load_end(run);
    load_extra(run, "median_us", load_median(us, run->size));
    load_extra(run, "cpu_us", 1e6 * run->cpu / (double)run->size);
    run->operations = run->size;
    run->expected = run->size;
    free(us);
}

#endif
