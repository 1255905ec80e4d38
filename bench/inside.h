/* inside.h: runs a function as a task of a pool of its own, for loads that work from the inside. */
#ifndef BENCH_INSIDE_H
#define BENCH_INSIDE_H

#include <vtask.h>

#include "load.h"

/* stack: bytes of a worker's; 0: the library's own choice. */
static inline task_pool *inside_pool_deep(unsigned workers, size_t stack) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    options.workers = workers;
    options.stack_size = stack;
    task_pool *pool = NULL;
    int error = task_pool_create(&pool, &options);
    if (error != 0) {
        load_fail("task_pool_create: %s", vtask_strerror(error));
    }
    return pool;
}

static inline task_pool *inside_pool(unsigned workers) { return inside_pool_deep(workers, 0); }

static inline void inside_check(int error, const char *what) {
    if (error != 0) {
        load_fail("%s: %s", what, vtask_strerror(error));
    }
}

static inline task *inside_made(task *t) {
    if (t == NULL) {
        load_fail("task_run: out of memory or threads");
    }
    return t;
}

/* Runs fn(run) in a task, and ends the pool. */
static inline void inside_deep(load_run *run, task_fn *fn, size_t stack) {
    task_pool *pool = inside_pool_deep(run->workers, stack);
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    inside_check(task_join(inside_made(task_run_with(&options, fn, run)), NULL), "the load's task");
    inside_check(task_pool_close(pool), "task_pool_close");
}

static inline void inside(load_run *run, task_fn *fn) { inside_deep(run, fn, 0); }

#endif
