/* external: one or four threads outside the pool submit tiny tasks and await them in batches. */
#include <stdint.h>

#include <vtask.h>

#include "external.h"
#include "inside.h"
#include "load.h"

static int number(void *arg, task_value *result) {
    result->u64 = (uint64_t)(uintptr_t)arg;
    return 0;
}

static uint64_t batch(external_producer *self, uint64_t first, uint64_t count) {
    task_options options = TASK_OPTIONS_INIT;
    task *tasks[EXTERNAL_BATCH];
    uint64_t sum = 0;
    options.pool = self->pool;
    for (uint64_t i = 0; i < count; i++) {
        tasks[i] = inside_made(task_run_with(&options, number, (void *)(uintptr_t)(first + i)));
    }
    for (uint64_t i = 0; i < count; i++) {
        task_value value;
        inside_check(task_join(tasks[i], &value), "task_join");
        sum += value.u64;
    }
    return sum;
}

static void measure(load_run *run, unsigned producers) {
    task_pool *pool = inside_pool(run->workers);
    external_measure(run, pool, producers, batch);
    inside_check(task_pool_close(pool), "task_pool_close");
}

static void run_producers1(load_run *run) { measure(run, 1); }
static void run_producers4(load_run *run) { measure(run, 4); }

static const load_variant variants[] = {{"producers1", run_producers1}, {"producers4", run_producers4}};

LOAD_MAIN("external", "vtask", 1000000, variants)
