/* live, with the plain pool: every future from malloc. */
#include "load.h"
#include "pool.h"

static uint64_t number(uint64_t arg) { return arg; }

static uint64_t loop(pool *p, uint64_t n, future **futures, double *resident) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        futures[i] = malloc(sizeof *futures[i]);
        if (futures[i] == NULL) {
            load_fail("out of memory");
        }
        future_init(futures[i], number, i + 1);
        pool_submit(p, futures[i]);
    }
    for (uint64_t i = 0; i < n; i++) {
        sum += future_wait(p, futures[i]);
    }
    *resident = load_resident();
    for (uint64_t i = 0; i < n; i++) {
        free(futures[i]);
    }
    return sum;
}

static void run_tasks(load_run *run) {
    pool *p = pool_create(run->workers);
    future **futures = load_alloc_resident(run->size, sizeof *futures);
    double resident = 0;
    loop(p, run->size < 100 ? run->size : 100, futures, &resident);
    double before = load_resident();
    load_begin(run);
    run->result = loop(p, run->size, futures, &resident);
    load_end(run);
    load_extra(run, "bytes_per_task", (resident - before) / (double)run->size);
    run->operations = run->size;
    run->expected = run->size * (run->size + 1) / 2;
    free(futures);
    pool_close(p);
}

static const load_variant variants[] = {{"tasks", run_tasks}};

LOAD_MAIN("live", "pool", 1000000, variants)
