// producer, with TBB's task_group.
#include <vector>

#include "inside.hpp"
#include "load.h"

static const uint64_t work_ns = 1000;

static uint64_t loop(uint64_t n, std::vector<uint64_t> &values) {
    tbb::task_group group;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        group.run([&values, i] {
            load_spin(work_ns);
            values[i] = i + 1;
        });
    }
    group.wait();
    for (uint64_t i = 0; i < n; i++) {
        sum += values[i];
    }
    return sum;
}

static void run_tasks(load_run *run) {
    std::vector<uint64_t> values(run->size);
    inside(run->workers, [&] {
        loop(run->size < 1000 ? run->size : 1000, values);
        load_begin(run);
        run->result = loop(run->size, values);
        load_end(run);
    });
    run->operations = run->size;
    run->expected = run->size * (run->size + 1) / 2;
}

static const load_variant variants[] = {{"tasks", run_tasks}};

LOAD_MAIN("producer", "tbb", 1000000, variants)
