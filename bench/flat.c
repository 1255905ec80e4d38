/* flat: a loop of fork and join of one tiny child. With --workers 2 the other worker is the idle peer. */
#include <stdint.h>

#include <vtask.h>

#include "inside.h"
#include "load.h"

static uint64_t expected(uint64_t n) { /* the sum of i & 7 below n */
    uint64_t rest = n % 8;
    return n / 8 * 28 + rest * (rest - (rest > 0)) / 2;
}

static void account(load_run *run, uint64_t sum) {
    run->operations = run->size;
    run->result = sum;
    run->expected = expected(run->size);
}

__attribute__((noinline)) static uint64_t plain(uint64_t i) {
    __asm__ volatile(""); /* the call stays */
    return i & 7;
}

static uint64_t loop_serial(uint64_t n) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += plain(i);
    }
    return sum;
}

static void run_serial(load_run *run) {
    loop_serial(1000);
    load_begin(run);
    uint64_t sum = loop_serial(run->size);
    load_end(run);
    account(run, sum);
}

static int tiny(void *arg, task_value *result) {
    result->u64 = *(const uint64_t *)arg & 7;
    return 0;
}

static uint64_t loop_function(uint64_t n) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        vt_child child;
        task_value value;
        vt_fork(&child, tiny, &i);
        inside_check(vt_join(&child, &value), "vt_join");
        sum += value.u64;
    }
    return sum;
}

static int function_task(void *arg, task_value *result) {
    load_run *run = arg;
    loop_function(1000);
    load_begin(run);
    result->u64 = loop_function(run->size);
    load_end(run);
    account(run, result->u64);
    return 0;
}

static void run_function(load_run *run) { inside(run, function_task); }

#ifdef VT_FUNCTION_1
VT_FUNCTION_1(uint64_t, typed, uint64_t, i) { return i & 7; }

static uint64_t loop_typed(uint64_t n) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        VT_FORK_1(typed, child, i);
        sum += VT_JOIN(typed, child);
    }
    return sum;
}

static int typed_task(void *arg, task_value *result) {
    load_run *run = arg;
    loop_typed(1000);
    load_begin(run);
    result->u64 = loop_typed(run->size);
    load_end(run);
    account(run, result->u64);
    return 0;
}

static void run_typed(load_run *run) { inside(run, typed_task); }
#endif

static const load_variant variants[] = {
    {"function", run_function},
    {"serial", run_serial},
#ifdef VT_FUNCTION_1
    {"typed", run_typed},
#endif
};

LOAD_MAIN("flat", "vtask", 50000000, variants)
