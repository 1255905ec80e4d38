/* latency, with the plain pool. */
#include "latency.h"
#include "load.h"
#include "pool.h"

static uint64_t one(uint64_t arg) { return arg; }

static uint64_t trip(void *context) {
    future f;
    future_init(&f, one, 1);
    pool_submit(context, &f);
    return future_wait(context, &f);
}

static void run_task(load_run *run) {
    pool *p = pool_create(run->workers);
    latency_measure(run, trip, p);
    pool_close(p);
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("latency", "pool", 5000, variants)
