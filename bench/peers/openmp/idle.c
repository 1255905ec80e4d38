/* idle, with OpenMP: a team that has been used once waits for the next parallel region. */
#include "idle.h"
#include "load.h"
#include "peer.h"

static void run_idle(load_run *run) {
    uint64_t done = 0;
#pragma omp parallel for num_threads(run->workers) reduction(+ : done)
    for (unsigned i = 0; i < IDLE_TASKS; i++) {
        load_spin(IDLE_WORK_NS);
        done++;
    }
    idle_measure(run, done);
}

static const load_variant variants[] = {{"idle", run_idle}};

LOAD_MAIN("idle", PEER, 5000, variants)
