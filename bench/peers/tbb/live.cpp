// live, with TBB's task_handle: all deferred and kept, then all run, then waited for.
#include <utility>
#include <vector>

#include "inside.hpp"
#include "load.h"

// Returns the sum; resident: the memory while all are alive.
static uint64_t loop(uint64_t n, std::vector<tbb::task_handle> &handles, std::vector<uint64_t> &values, double &resident) {
    tbb::task_group group;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        handles[i] = group.defer([&values, i] { values[i] = i + 1; });
    }
    resident = load_resident();
    for (uint64_t i = 0; i < n; i++) {
        group.run(std::move(handles[i]));
    }
    group.wait();
    for (uint64_t i = 0; i < n; i++) {
        sum += values[i];
    }
    return sum;
}

static void run_tasks(load_run *run) {
    std::vector<tbb::task_handle> handles(run->size);
    std::vector<uint64_t> values(run->size);
    inside(run->workers, [&] {
        double resident = 0;
        loop(run->size < 100 ? run->size : 100, handles, values, resident);
        double before = load_resident();
        load_begin(run);
        run->result = loop(run->size, handles, values, resident);
        load_end(run);
        load_extra(run, "bytes_per_task", (resident - before) / static_cast<double>(run->size));
    });
    run->operations = run->size;
    run->expected = run->size * (run->size + 1) / 2;
}

static const load_variant variants[] = {{"tasks", run_tasks}};

LOAD_MAIN("live", "tbb", 1000000, variants)
