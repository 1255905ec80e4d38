// flat, with TBB's task_group: run and wait.
#include "inside.hpp"
#include "load.h"

static uint64_t loop(uint64_t n) {
    tbb::task_group group;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t value = 0;
        group.run([&value, i] { value = i & 7; });
        group.wait();
        sum += value;
    }
    return sum;
}

static void run_task(load_run *run) {
    inside(run->workers, [run] {
        loop(1000);
        load_begin(run);
        run->result = loop(run->size);
        load_end(run);
    });
    run->operations = run->size;
    for (uint64_t i = 0; i < run->size % 8; i++) {
        run->expected += i;
    }
    run->expected += run->size / 8 * 28;
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("flat", "tbb", 50000000, variants)
