/* live: `size` heap tasks alive at a time with handles: all run, all awaited and read, all released. */
#include <stdint.h>
#include <stdlib.h>

#include <vtask.h>

#include "inside.h"
#include "load.h"

static int number(void *arg, task_value *result) {
    result->u64 = (uint64_t)(uintptr_t)arg;
    return 0;
}

/* Returns the sum; *resident: the memory while all are alive. */
static uint64_t loop(uint64_t n, task **tasks, double *resident) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        tasks[i] = inside_made(task_run(number, (void *)(uintptr_t)(i + 1)));
    }
    for (uint64_t i = 0; i < n; i++) {
        task_value value;
        inside_check(task_await(tasks[i], &value), "task_await");
        sum += value.u64;
    }
    *resident = load_resident();
    for (uint64_t i = 0; i < n; i++) {
        task_release(tasks[i]);
    }
    return sum;
}

static int live_task(void *arg, task_value *result) {
    load_run *run = arg;
    task **tasks = load_alloc_resident(run->size, sizeof *tasks);
    double resident = 0;
    (void)result;
    loop(run->size < 100 ? run->size : 100, tasks, &resident);
    double before = load_resident();
    load_begin(run);
    run->result = loop(run->size, tasks, &resident);
    load_end(run);
    load_extra(run, "bytes_per_task", (resident - before) / (double)run->size);
    run->operations = run->size;
    run->expected = run->size * (run->size + 1) / 2;
    free(tasks);
    return 0;
}

static void run_tasks(load_run *run) { inside(run, live_task); }

static const load_variant variants[] = {{"tasks", run_tasks}};

LOAD_MAIN("live", "vtask", 1000000, variants)
