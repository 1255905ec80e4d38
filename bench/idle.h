/* idle.h: CPU time that all threads burn in `size` ms in which nobody asks for anything. */
#ifndef BENCH_IDLE_H
#define BENCH_IDLE_H

#include "load.h"

#define IDLE_TASKS 1000u   /* the one use before: so many */
#define IDLE_WORK_NS 2000u /* tasks of so much work */

/* done: how many of the IDLE_TASKS tasks have run. */
static inline void idle_measure(load_run *run, uint64_t done) {
    load_begin(run);
    load_sleep(run->size * 1000000u);
    load_end(run);
    load_extra(run, "cpu_ms", 1e3 * run->cpu);
    run->operations = 1;
    run->result = done;
    run->expected = IDLE_TASKS;
}

#endif
