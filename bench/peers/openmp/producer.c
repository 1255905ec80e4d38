/* producer, with OpenMP's tasks. */
#include "load.h"
#include "peer.h"

#define WORK_NS 1000u

static uint64_t loop(uint64_t n, uint64_t *values) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
#pragma omp task firstprivate(i, values)
        {
            load_spin(WORK_NS);
            values[i] = i + 1;
        }
    }
#pragma omp taskwait
    for (uint64_t i = 0; i < n; i++) {
        sum += values[i];
    }
    return sum;
}

static void run_tasks(load_run *run) {
    uint64_t *values = (uint64_t *)load_alloc_resident(run->size, sizeof *values);
#pragma omp parallel num_threads(run->workers)
#pragma omp single
    {
        loop(run->size < 1000 ? run->size : 1000, values);
        load_begin(run);
        run->result = loop(run->size, values);
        load_end(run);
    }
    run->operations = run->size;
    run->expected = run->size * (run->size + 1) / 2;
    free(values);
}

static const load_variant variants[] = {{"tasks", run_tasks}};

LOAD_MAIN("producer", PEER, 1000000, variants)
