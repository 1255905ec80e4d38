/* flat, with OpenMP's task and taskwait. */
#include "load.h"
#include "peer.h"

static uint64_t loop(uint64_t n) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t value = 0;
#pragma omp task shared(value) firstprivate(i)
        value = i & 7;
#pragma omp taskwait
        sum += value;
    }
    return sum;
}

static void run_task(load_run *run) {
#pragma omp parallel num_threads(run->workers)
#pragma omp single
    {
        loop(1000);
        load_begin(run);
        run->result = loop(run->size);
        load_end(run);
    }
    run->operations = run->size;
    for (uint64_t i = 0; i < run->size % 8; i++) {
        run->expected += i;
    }
    run->expected += run->size / 8 * 28;
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("flat", PEER, 50000000, variants)
