/* nqueens: all ways to put n queens on a board of n columns; one child for each placement that is possible. Size: n. */
#include <stdint.h>

#include <vtask.h>

#include "inside.h"
#include "load.h"
#include "queens.h"

static void account(load_run *run, uint64_t found) {
    run->operations = found;
    run->result = found;
    run->expected = queens_expected(run->size);
}

static uint64_t plain(queens_board b) {
    uint64_t found = b.columns == b.all;
    for (uint32_t free = queens_free(&b); free != 0; free &= free - 1) {
        found += plain(queens_put(&b, free & -free));
    }
    return found;
}

static void run_serial(load_run *run) {
    load_begin(run);
    uint64_t found = plain(queens_empty(run->size));
    load_end(run);
    account(run, found);
}

static uint64_t row(const queens_board *b, uint32_t free);

VT_FUNCTION_1(uint64_t, typed, queens_board, b) { return (b.columns == b.all) + row(&b, queens_free(&b)); }

/* As many forks as there are placements left: each has a frame of its own to live in. */
static uint64_t row(const queens_board *b, uint32_t free) {
    if (free == 0) {
        return 0;
    }
    VT_FORK_1(typed, child, queens_put(b, free & -free));
    uint64_t found = row(b, free & (free - 1));
    return found + VT_JOIN(typed, child);
}

static int by_type(void *arg, task_value *result) {
    result->u64 = typed(*(const queens_board *)arg);
    return 0;
}

static int by_function(void *arg, task_value *result) {
    const queens_board *b = arg;
    vt_child children[QUEENS_MOST];
    queens_board boards[QUEENS_MOST];
    unsigned n = 0;
    for (uint32_t free = queens_free(b); free != 0; free &= free - 1, n++) {
        boards[n] = queens_put(b, free & -free);
        vt_fork(&children[n], by_function, &boards[n]);
    }
    uint64_t found = b->columns == b->all;
    while (n-- > 0) {
        task_value value;
        inside_check(vt_join(&children[n], &value), "vt_join");
        found += value.u64;
    }
    result->u64 = found;
    return 0;
}

static int by_task(void *arg, task_value *result) {
    const queens_board *b = arg;
    task *tasks[QUEENS_MOST];
    queens_board boards[QUEENS_MOST];
    unsigned n = 0;
    for (uint32_t free = queens_free(b); free != 0; free &= free - 1, n++) {
        boards[n] = queens_put(b, free & -free);
        tasks[n] = inside_made(task_run(by_task, &boards[n]));
    }
    uint64_t found = b->columns == b->all;
    while (n-- > 0) {
        task_value value;
        inside_check(task_join(tasks[n], &value), "task_join");
        found += value.u64;
    }
    result->u64 = found;
    return 0;
}

static int measured(load_run *run, task_fn *fn, task_value *result) {
    queens_board empty = queens_empty(run->size);
    load_begin(run);
    int error = fn(&empty, result);
    load_end(run);
    account(run, result->u64);
    return error;
}

static int typed_task(void *arg, task_value *result) { return measured(arg, by_type, result); }
static int function_task(void *arg, task_value *result) { return measured(arg, by_function, result); }
static int heap_task(void *arg, task_value *result) { return measured(arg, by_task, result); }

static void run_typed(load_run *run) { inside(run, typed_task); }
static void run_function(load_run *run) { inside(run, function_task); }
static void run_heap(load_run *run) { inside(run, heap_task); }

static const load_variant variants[] = {
    {"typed", run_typed}, {"serial", run_serial}, {"function", run_function}, {"heap", run_heap}};

LOAD_MAIN("nqueens", "vtask", 12, variants)
