/* producer, with the plain pool: one of its tasks submits the others, which are awaited from outside. */
#include "load.h"
#include "pool.h"

#define WORK_NS 1000u

typedef struct loop {
    pool *p;
    uint64_t n;
    future *futures;
} loop;

static uint64_t work(uint64_t arg) {
    load_spin(WORK_NS);
    return arg;
}

static uint64_t submit_all(uint64_t arg) {
    loop *l = (loop *)(uintptr_t)arg;
    for (uint64_t i = 0; i < l->n; i++) {
        future_init(&l->futures[i], work, i + 1);
        pool_submit(l->p, &l->futures[i]);
    }
    return l->n;
}

static uint64_t produce(loop *l, uint64_t n) {
    future all;
    uint64_t sum = 0;
    l->n = n;
    future_init(&all, submit_all, (uint64_t)(uintptr_t)l);
    pool_submit(l->p, &all);
    for (uint64_t i = future_wait(l->p, &all); i-- > 0;) { /* the last first: few waits */
        sum += future_wait(l->p, &l->futures[i]);
    }
    return sum;
}

static void run_tasks(load_run *run) {
    loop l = {.p = pool_create(run->workers), .futures = load_alloc_resident(run->size, sizeof *l.futures)};
    produce(&l, run->size < 1000 ? run->size : 1000);
    load_begin(run);
    run->result = produce(&l, run->size);
    load_end(run);
    run->operations = run->size;
    run->expected = run->size * (run->size + 1) / 2;
    pool_close(l.p);
    free(l.futures);
}

static const load_variant variants[] = {{"tasks", run_tasks}};

LOAD_MAIN("producer", "pool", 1000000, variants)
