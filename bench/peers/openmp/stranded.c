/* stranded, with OpenMP's tasks. */
#include "stranded.h"
#include "load.h"
#include "peer.h"

static void others_busy(const load_run *run) {
    for (unsigned i = 1; i < run->workers; i++) {
#pragma omp task
        stranded_busy();
    }
    stranded_await_busy(run->workers - 1);
}

static uint64_t loop(uint64_t n, uint64_t *values) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
#pragma omp task firstprivate(i, values)
        {
            load_spin(stranded_share);
            values[i] = i + 1;
        }
    }
    load_spin(STRANDED_NS);
#pragma omp taskwait
    for (uint64_t i = 0; i < n; i++) {
        sum += values[i];
    }
    return sum;
}

static void measure(load_run *run, int late) {
    uint64_t *values = (uint64_t *)load_alloc_resident(run->size, sizeof *values);
    uint64_t sum = 0;
    stranded_init(run);
#pragma omp parallel num_threads(run->workers)
#pragma omp single
    {
        others_busy(run); /* the warm-up: every thread has run */
        load_spin(2 * STRANDED_LATE_NS);
        stranded_started = 0;
        if (late) {
            others_busy(run);
        }
        load_begin(run);
        sum = loop(run->size, values);
        load_end(run);
    }
    stranded_account(run, sum, late);
    free(values);
}

static void run_tasks(load_run *run) { measure(run, 0); }
static void run_late(load_run *run) { measure(run, 1); }

static const load_variant variants[] = {{"tasks", run_tasks}, {"late-tasks", run_late}};

LOAD_MAIN("stranded", PEER, 64, variants)
