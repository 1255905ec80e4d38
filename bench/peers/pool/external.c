/* external, with the plain pool: one by one, or (batch1, batch4) a batch in one submission. */
#include "external.h"
#include "load.h"
#include "pool.h"

static uint64_t number(uint64_t arg) { return arg; }

static uint64_t collect(pool *p, future *futures, uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        sum += future_wait(p, &futures[i]);
    }
    return sum;
}

static uint64_t one_by_one(external_producer *self, uint64_t first, uint64_t count) {
    future futures[EXTERNAL_BATCH];
    for (uint64_t i = 0; i < count; i++) {
        future_init(&futures[i], number, first + i);
        pool_submit(self->pool, &futures[i]);
    }
    return collect(self->pool, futures, count);
}

static uint64_t at_once(external_producer *self, uint64_t first, uint64_t count) {
    future futures[EXTERNAL_BATCH];
    for (uint64_t i = 0; i < count; i++) {
        future_init(&futures[i], number, first + i);
        futures[i].next = &futures[i + 1 < count ? i + 1 : i];
    }
    pool_submit_many(self->pool, futures, &futures[count - 1], count);
    return collect(self->pool, futures, count);
}

static void measure(load_run *run, unsigned producers,
                    uint64_t (*batch)(external_producer *self, uint64_t first, uint64_t count)) {
    pool *p = pool_create(run->workers);
    external_measure(run, p, producers, batch);
    pool_close(p);
}

static void run_producers1(load_run *run) { measure(run, 1, one_by_one); }
static void run_producers4(load_run *run) { measure(run, 4, one_by_one); }
static void run_batch1(load_run *run) { measure(run, 1, at_once); }
static void run_batch4(load_run *run) { measure(run, 4, at_once); }

static const load_variant variants[] = {
    {"producers1", run_producers1}, {"producers4", run_producers4}, {"batch1", run_batch1}, {"batch4", run_batch4}};

LOAD_MAIN("external", "pool", 1000000, variants)
