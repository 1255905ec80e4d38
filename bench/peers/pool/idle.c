/* idle, with the plain pool. */
#include "idle.h"
#include "load.h"
#include "pool.h"

static uint64_t work(uint64_t arg) {
    load_spin(IDLE_WORK_NS);
    return arg;
}

static void run_idle(load_run *run) {
    pool *p = pool_create(run->workers);
    future futures[IDLE_TASKS];
    uint64_t done = 0;
    for (unsigned i = 0; i < IDLE_TASKS; i++) {
        future_init(&futures[i], work, 1);
        pool_submit(p, &futures[i]);
    }
    for (unsigned i = 0; i < IDLE_TASKS; i++) {
        done += future_wait(p, &futures[i]);
    }
    idle_measure(run, done);
    pool_close(p);
}

static const load_variant variants[] = {{"idle", run_idle}};

LOAD_MAIN("idle", "pool", 5000, variants)
