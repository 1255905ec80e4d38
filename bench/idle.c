/* idle: what a pool that was used once burns while there is nothing to do. */
#include <stdint.h>

#include <vtask.h>

#include "idle.h"
#include "inside.h"
#include "load.h"

static int work(void *arg, task_value *result) {
    (void)arg;
    load_spin(IDLE_WORK_NS);
    result->u64 = 1;
    return 0;
}

static void run_idle(load_run *run) {
    task_pool *pool = inside_pool(run->workers);
    task_options options = TASK_OPTIONS_INIT;
    task *tasks[IDLE_TASKS];
    uint64_t done = 0;
    options.pool = pool;
    for (unsigned i = 0; i < IDLE_TASKS; i++) {
        tasks[i] = inside_made(task_run_with(&options, work, NULL));
    }
    for (unsigned i = 0; i < IDLE_TASKS; i++) {
        task_value value;
        inside_check(task_join(tasks[i], &value), "task_join");
        done += value.u64;
    }
    idle_measure(run, done);
    inside_check(task_pool_close(pool), "task_pool_close");
}

static const load_variant variants[] = {{"idle", run_idle}};

LOAD_MAIN("idle", "vtask", 5000, variants)
