/* stranded: children or heap tasks that their owner forks and then leaves alone; only thieves can begin them. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <vtask.h>

#include "inside.h"
#include "load.h"
#include "stranded.h"

static int work(void *arg, task_value *result) {
    load_spin(stranded_share);
    result->u64 = (uint64_t)(uintptr_t)arg;
    return 0;
}

static int busy(void *arg, task_value *result) {
    (void)arg, (void)result;
    stranded_busy();
    return 0;
}

static void others_busy(const load_run *run) {
    for (unsigned i = 1; i < run->workers; i++) {
        task_release(inside_made(task_run(busy, NULL)));
    }
    stranded_await_busy(run->workers - 1);
}

static uint64_t with_children(uint64_t n) {
    vt_child *children = load_alloc(n, sizeof *children);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        vt_fork(&children[i], work, (void *)(uintptr_t)(i + 1));
    }
    load_spin(STRANDED_NS);
    for (uint64_t i = n; i-- > 0;) {
        task_value value;
        inside_check(vt_join(&children[i], &value), "vt_join");
        sum += value.u64;
    }
    free(children);
    return sum;
}

static uint64_t with_tasks(uint64_t n) {
    task **tasks = load_alloc(n, sizeof *tasks);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        tasks[i] = inside_made(task_run(work, (void *)(uintptr_t)(i + 1)));
    }
    load_spin(STRANDED_NS);
    for (uint64_t i = n; i-- > 0;) {
        task_value value;
        inside_check(task_join(tasks[i], &value), "task_join");
        sum += value.u64;
    }
    free(tasks);
    return sum;
}

static void measure(load_run *run, uint64_t (*loop)(uint64_t n), bool late) {
    stranded_init(run);
    others_busy(run); /* the warm-up: every thread has run */
    load_spin(2 * STRANDED_LATE_NS);
    stranded_started = 0;
    if (late) {
        others_busy(run);
    }
    load_begin(run);
    uint64_t sum = loop(run->size);
    load_end(run);
    stranded_account(run, sum, late);
}

#define STRANDED_TASK(name, loop, late)                     \
    static int name##_task(void *arg, task_value *result) { \
        (void)result;                                       \
        measure(arg, loop, late);                           \
        return 0;                                           \
    }                                                       \
    static void run_##name(load_run *run) { inside(run, name##_task); }

STRANDED_TASK(children, with_children, false)
STRANDED_TASK(tasks, with_tasks, false)
STRANDED_TASK(late_children, with_children, true)
STRANDED_TASK(late_tasks, with_tasks, true)

static const load_variant variants[] = {
    {"children", run_children},
    {"tasks", run_tasks},
    {"late-children", run_late_children},
    {"late-tasks", run_late_tasks},
};

LOAD_MAIN("stranded", "vtask", 64, variants)
