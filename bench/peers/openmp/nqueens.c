/* nqueens, with OpenMP's task and taskwait. */
#include "load.h"
#include "peer.h"
#include "queens.h"

static uint64_t count(queens_board b) {
    uint64_t counts[QUEENS_MOST], found = b.columns == b.all;
    unsigned n = 0;
    for (uint32_t free = queens_free(&b); free != 0; free &= free - 1, n++) {
        queens_board next = queens_put(&b, free & -free);
        uint64_t *at = &counts[n];
#pragma omp task firstprivate(next, at)
        *at = count(next);
    }
#pragma omp taskwait
    while (n-- > 0) {
        found += counts[n];
    }
    return found;
}

static void run_task(load_run *run) {
#pragma omp parallel num_threads(run->workers)
#pragma omp single
    {
        load_begin(run);
        run->result = count(queens_empty(run->size));
        load_end(run);
    }
    run->operations = run->result;
    run->expected = queens_expected(run->size);
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("nqueens", PEER, 12, variants)
