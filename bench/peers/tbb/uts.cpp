// uts, with TBB's task_group.
#include <oneapi/tbb/global_control.h>

#include "inside.hpp"
#include "load.h"
#include "uts.h"

static uint64_t walk(const uts_node &n) {
    unsigned count = uts_count(&n);
    uint64_t *below = static_cast<uint64_t *>(__builtin_alloca((count + 1) * sizeof *below)), nodes = 1;
    tbb::task_group group;
    for (unsigned i = 0; i < count; i++) {
        group.run([at = &below[i], child = uts_child(&n, i)] { *at = walk(child); });
    }
    group.wait();
    while (count-- > 0) {
        nodes += below[count];
    }
    return nodes;
}

static void run_task(load_run *run) {
    uts_node root = uts_plant(run);
    tbb::global_control deep(tbb::global_control::thread_stack_size, UTS_STACK);
    inside(run->workers, [run, &root] {
        load_begin(run);
        run->result = walk(root);
        load_end(run);
    });
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("uts", "tbb", 1, variants)
