// stranded, with TBB's task_group.
#include <vector>

#include "inside.hpp"
#include "load.h"
#include "stranded.h"

static void others_busy(tbb::task_group &group, const load_run *run) {
    for (unsigned i = 1; i < run->workers; i++) {
        group.run([] { stranded_busy(); });
    }
    stranded_await_busy(run->workers - 1);
}

static uint64_t loop(uint64_t n, std::vector<uint64_t> &values) {
    tbb::task_group group;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        group.run([&values, i] {
            load_spin(stranded_share);
            values[i] = i + 1;
        });
    }
    load_spin(STRANDED_NS);
    group.wait();
    for (uint64_t value : values) {
        sum += value;
    }
    return sum;
}

static void measure(load_run *run, bool late) {
    std::vector<uint64_t> values(run->size);
    stranded_init(run);
    inside(run->workers, [&] {
        tbb::task_group busy;
        others_busy(busy, run); // the warm-up: every thread has run
        load_spin(2 * STRANDED_LATE_NS);
        stranded_started = 0;
        if (late) {
            others_busy(busy, run);
        }
        load_begin(run);
        uint64_t sum = loop(run->size, values);
        load_end(run);
        busy.wait();
        stranded_account(run, sum, late);
    });
}

static void run_tasks(load_run *run) { measure(run, false); }
static void run_late(load_run *run) { measure(run, true); }

static const load_variant variants[] = {{"tasks", run_tasks}, {"late-tasks", run_late}};

LOAD_MAIN("stranded", "tbb", 64, variants)
