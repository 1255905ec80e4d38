// external, with TBB: task_arena::enqueue, one latch for each batch; group1, group4: handles of a task_group, and the
// submitter enters the arena to wait, and works there.
#include "external.h"
#include "inside.hpp"
#include "latch.h"
#include "load.h"

static uint64_t sum_of(const uint64_t *values, uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum += values[i];
    }
    return sum;
}

static uint64_t with_latch(external_producer *self, uint64_t first, uint64_t count) {
    tbb::task_arena &arena = *static_cast<tbb::task_arena *>(self->pool);
    uint64_t values[EXTERNAL_BATCH];
    latch done;
    latch_init(&done, static_cast<uint32_t>(count));
    for (uint64_t i = 0; i < count; i++) {
        arena.enqueue([&values, &done, first, i] {
            values[i] = first + i;
            latch_count_down(&done);
        });
    }
    latch_wait(&done);
    return sum_of(values, count);
}

static uint64_t with_group(external_producer *self, uint64_t first, uint64_t count) {
    tbb::task_arena &arena = *static_cast<tbb::task_arena *>(self->pool);
    uint64_t values[EXTERNAL_BATCH];
    tbb::task_group group;
    for (uint64_t i = 0; i < count; i++) {
        arena.enqueue(group.defer([&values, first, i] { values[i] = first + i; }));
    }
    arena.execute([&group] { group.wait(); });
    return sum_of(values, count);
}

static void measure(load_run *run, unsigned producers, uint64_t (*batch)(external_producer *, uint64_t, uint64_t)) {
    outside(run->workers, [=](tbb::task_arena &arena) { external_measure(run, &arena, producers, batch); });
}

static void run_producers1(load_run *run) { measure(run, 1, with_latch); }
static void run_producers4(load_run *run) { measure(run, 4, with_latch); }
static void run_group1(load_run *run) { measure(run, 1, with_group); }
static void run_group4(load_run *run) { measure(run, 4, with_group); }

static const load_variant variants[] = {
    {"producers1", run_producers1}, {"producers4", run_producers4}, {"group1", run_group1}, {"group4", run_group4}};

LOAD_MAIN("external", "tbb", 1000000, variants)
