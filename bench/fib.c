/* fib: fork and join without a cutoff, which is nothing but overhead. Size: the number whose Fibonacci number is asked. */
#include <stdint.h>

#include <vtask.h>

#include "inside.h"
#include "load.h"

__attribute__((noinline)) static int64_t plain(int64_t n) { return n < 2 ? n : plain(n - 1) + plain(n - 2); }

static uint64_t expected(uint64_t n) {
    uint64_t a = 0, b = 1;
    for (; n > 0; n--) {
        uint64_t sum = a + b;
        a = b;
        b = sum;
    }
    return a;
}

static void account(load_run *run, int64_t sum) {
    run->expected = expected(run->size);
    run->operations = expected(run->size + 1) - 1; /* forks */
    run->result = (uint64_t)sum;
}

static void run_serial(load_run *run) {
    load_begin(run);
    int64_t sum = plain((int64_t)run->size);
    load_end(run);
    account(run, sum);
}

/* What the children by function pointer are without the library: a call of what the compiler does not know. */
static int by_pointer(void *arg, task_value *result) {
    int64_t n = (int64_t)(intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return 0;
    }
    task_value left, right;
    task_fn *fn = by_pointer;
    __asm__ __volatile__("" : "+r"(fn));
    (void)by_pointer((void *)(intptr_t)(n - 2), &right);
    if (fn((void *)(intptr_t)(n - 1), &left) != 0) {
        load_fail("by_pointer failed");
    }
    result->i64 = left.i64 + right.i64;
    return 0;
}

static void run_pointer(load_run *run) {
    task_value sum;
    load_begin(run);
    (void)by_pointer((void *)(intptr_t)run->size, &sum);
    load_end(run);
    account(run, sum.i64);
}

/* Children by function pointer, through the macros. */
static int by_function(void *arg, task_value *result) {
    int64_t n = (int64_t)(intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return 0;
    }
    vt_child child;
    task_value left, right;
    vt_fork(&child, by_function, (void *)(intptr_t)(n - 1));
    (void)by_function((void *)(intptr_t)(n - 2), &right);
    inside_check(vt_join(&child, &left), "vt_join");
    result->i64 = left.i64 + right.i64;
    return 0;
}

/* The same through the functions behind them, which nothing inlines. */
static int by_library(void *arg, task_value *result) {
    int64_t n = (int64_t)(intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return 0;
    }
    vt_child child;
    task_value left, right;
    vt_fork_at(&child, by_library, (void *)(intptr_t)(n - 1), VTASK_WHERE);
    (void)by_library((void *)(intptr_t)(n - 2), &right);
    inside_check(vt_join_at(&child, &left, VTASK_WHERE), "vt_join_at");
    result->i64 = left.i64 + right.i64;
    return 0;
}

static int by_task(void *arg, task_value *result) {
    int64_t n = (int64_t)(intptr_t)arg;
    if (n < 2) {
        result->i64 = n;
        return 0;
    }
    task_value left, right;
    task *t = task_run(by_task, (void *)(intptr_t)(n - 1));
    if (t == NULL) {
        load_fail("task_run: no memory");
    }
    (void)by_task((void *)(intptr_t)(n - 2), &right);
    inside_check(task_await(t, &left), "task_await");
    task_release(t);
    result->i64 = left.i64 + right.i64;
    return 0;
}

VT_FUNCTION_1(int64_t, typed, int64_t, n) {
    if (n < 2) {
        return n;
    }
    VT_FORK_1(typed, left, n - 1);
    int64_t right = typed(n - 2);
    return VT_JOIN(typed, left) + right;
}

static int by_type(void *arg, task_value *result) {
    result->i64 = typed((int64_t)(intptr_t)arg);
    return 0;
}

static int measured(load_run *run, task_fn *fn, task_value *result) {
    load_begin(run);
    int error = fn((void *)(intptr_t)run->size, result);
    load_end(run);
    account(run, result->i64);
    return error;
}

static int function_task(void *arg, task_value *result) { return measured(arg, by_function, result); }
static int library_task(void *arg, task_value *result) { return measured(arg, by_library, result); }
static int heap_task(void *arg, task_value *result) { return measured(arg, by_task, result); }
static int typed_task(void *arg, task_value *result) { return measured(arg, by_type, result); }

static void run_function(load_run *run) { inside(run, function_task); }
static void run_library(load_run *run) { inside(run, library_task); }
static void run_heap(load_run *run) { inside(run, heap_task); }
static void run_typed(load_run *run) { inside(run, typed_task); }

static const load_variant variants[] = {
    {"typed", run_typed},     {"serial", run_serial}, {"function", run_function},
    {"library", run_library}, {"heap", run_heap},     {"pointer", run_pointer},
};

LOAD_MAIN("fib", "vtask", 32, variants)
