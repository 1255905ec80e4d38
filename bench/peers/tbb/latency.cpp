// latency, with TBB: task_arena::enqueue and a futex latch.
#include "latency.h"
#include "inside.hpp"
#include "latch.h"
#include "load.h"

static uint64_t trip(void *context) {
    latch done;
    latch_init(&done, 1);
    static_cast<tbb::task_arena *>(context)->enqueue([&done] { latch_count_down(&done); });
    latch_wait(&done);
    return 1;
}

static void run_task(load_run *run) {
    outside(run->workers, [run](tbb::task_arena &arena) { latency_measure(run, trip, &arena); });
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("latency", "tbb", 5000, variants)
