/* fib, with OpenMP's task and taskwait. */
#include "load.h"
#include "peer.h"

static int64_t fib(int64_t n) {
    if (n < 2) {
        return n;
    }
    int64_t left, right;
#pragma omp task shared(left) firstprivate(n)
    left = fib(n - 1);
    right = fib(n - 2);
#pragma omp taskwait
    return left + right;
}

static void run_task(load_run *run) {
    int64_t sum = 0;
#pragma omp parallel num_threads(run->workers)
#pragma omp single
    {
        load_begin(run);
        sum = fib((int64_t)run->size);
        load_end(run);
    }
    uint64_t a = 0, b = 1;
    for (uint64_t n = run->size; n > 0; n--) {
        uint64_t next = a + b;
        a = b;
        b = next;
    }
    run->expected = a;
    run->operations = b - 1;
    run->result = (uint64_t)sum;
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("fib", PEER, 32, variants)
