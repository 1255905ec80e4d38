/* producer: one task forks `size` children, or runs as many heap tasks, of 1 us each. */
#include <stdint.h>
#include <stdlib.h>

#include <vtask.h>

#include "inside.h"
#include "load.h"

#define WORK_NS 1000u

static void account(load_run *run, uint64_t sum) {
    run->operations = run->size;
    run->result = sum;
    run->expected = run->size * (run->size + 1) / 2;
}

static int work(void *arg, task_value *result) {
    load_spin(WORK_NS);
    result->u64 = (uint64_t)(uintptr_t)arg;
    return 0;
}

static uint64_t loop_serial(uint64_t n, void *room) {
    uint64_t sum = 0;
    (void)room;
    for (uint64_t i = 0; i < n; i++) {
        task_value value;
        work((void *)(uintptr_t)(i + 1), &value);
        sum += value.u64;
    }
    return sum;
}

static uint64_t loop_children(uint64_t n, void *room) {
    vt_child *children = room;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        vt_fork(&children[i], work, (void *)(uintptr_t)(i + 1));
    }
    for (uint64_t i = n; i-- > 0;) {
        task_value value;
        inside_check(vt_join(&children[i], &value), "vt_join");
        sum += value.u64;
    }
    return sum;
}

static uint64_t loop_tasks(uint64_t n, void *room) {
    task **tasks = room;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        tasks[i] = inside_made(task_run(work, (void *)(uintptr_t)(i + 1)));
    }
    for (uint64_t i = n; i-- > 0;) {
        task_value value;
        inside_check(task_join(tasks[i], &value), "task_join");
        sum += value.u64;
    }
    return sum;
}

static void measure(load_run *run, uint64_t (*loop)(uint64_t n, void *room), size_t each) {
    void *room = load_alloc_resident(run->size, each);
    loop(run->size < 1000 ? run->size : 1000, room);
    load_begin(run);
    uint64_t sum = loop(run->size, room);
    load_end(run);
    account(run, sum);
    free(room);
}

static int children_task(void *arg, task_value *result) {
    (void)result;
    measure(arg, loop_children, sizeof(vt_child));
    return 0;
}

static int tasks_task(void *arg, task_value *result) {
    (void)result;
    measure(arg, loop_tasks, sizeof(task *));
    return 0;
}

static void run_serial(load_run *run) { measure(run, loop_serial, 1); }
static void run_children(load_run *run) { inside(run, children_task); }
static void run_tasks(load_run *run) { inside(run, tasks_task); }

static const load_variant variants[] = {{"children", run_children}, {"tasks", run_tasks}, {"serial", run_serial}};

LOAD_MAIN("producer", "vtask", 1000000, variants)
