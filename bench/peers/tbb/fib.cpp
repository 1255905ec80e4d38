// fib, with TBB's task_group: run one, call the other, wait.
#include "inside.hpp"
#include "load.h"

static int64_t fib(int64_t n) {
    if (n < 2) {
        return n;
    }
    int64_t left = 0;
    tbb::task_group group;
    group.run([&left, n] { left = fib(n - 1); });
    int64_t right = fib(n - 2);
    group.wait();
    return left + right;
}

static void run_task(load_run *run) {
    int64_t sum = 0;
    inside(run->workers, [run, &sum] {
        load_begin(run);
        sum = fib(static_cast<int64_t>(run->size));
        load_end(run);
    });
    uint64_t a = 0, b = 1;
    for (uint64_t n = run->size; n > 0; n--) {
        uint64_t next = a + b;
        a = b;
        b = next;
    }
    run->expected = a;
    run->operations = b - 1;
    run->result = static_cast<uint64_t>(sum);
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("fib", "tbb", 32, variants)
