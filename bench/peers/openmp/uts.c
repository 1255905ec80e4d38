/* uts, with OpenMP's task and taskwait. */
#include "uts.h"
#include "load.h"
#include "peer.h"

static uint64_t walk(const uts_node *n) {
    unsigned count = uts_count(n);
    uint64_t below[count + 1], nodes = 1;
    for (unsigned i = 0; i < count; i++) {
        uts_node child = uts_child(n, i);
        uint64_t *at = &below[i];
#pragma omp task firstprivate(child, at)
        *at = walk(&child);
    }
#pragma omp taskwait
    while (count-- > 0) {
        nodes += below[count];
    }
    return nodes;
}

static void run_task(load_run *run) {
    uts_node root = uts_plant(run);
#pragma omp parallel num_threads(run->workers)
#pragma omp single
    {
        load_begin(run);
        run->result = walk(&root);
        load_end(run);
    }
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("uts", PEER, 1, variants)
