// idle, with TBB: an arena that has been used once.
#include "idle.h"
#include "inside.hpp"
#include "latch.h"
#include "load.h"

static void run_idle(load_run *run) {
    outside(run->workers, [run](tbb::task_arena &arena) {
        uint32_t done = 0;
        latch all;
        latch_init(&all, IDLE_TASKS);
        for (unsigned i = 0; i < IDLE_TASKS; i++) {
            arena.enqueue([&all, &done] {
                load_spin(IDLE_WORK_NS);
                __atomic_add_fetch(&done, 1, __ATOMIC_RELAXED); // the latch carries it
                latch_count_down(&all);
            });
        }
        latch_wait(&all);
        idle_measure(run, done);
    });
}

static const load_variant variants[] = {{"idle", run_idle}};

LOAD_MAIN("idle", "tbb", 5000, variants)
