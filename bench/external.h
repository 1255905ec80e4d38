/* external.h: threads outside the pool that submit `size` tiny tasks between them, in batches, each batch awaited. */
#ifndef BENCH_EXTERNAL_H
#define BENCH_EXTERNAL_H

#include <pthread.h>

#include "load.h"

#define EXTERNAL_BATCH 100u
#define EXTERNAL_PRODUCERS_MAX 4u

typedef struct external_producer {
    /* Submits `count` <= EXTERNAL_BATCH tasks that yield first, first + 1, ..; awaits them; returns their sum. */
    uint64_t (*batch)(struct external_producer *self, uint64_t first, uint64_t count);
    void *pool;
    uint64_t first, last, sum;
    pthread_barrier_t *start;
    pthread_t thread;
} external_producer;

static inline void external_loop(external_producer *self) {
    for (uint64_t at = self->first; at < self->last; at += EXTERNAL_BATCH) {
        uint64_t left = self->last - at;
        self->sum += self->batch(self, at, left < EXTERNAL_BATCH ? left : EXTERNAL_BATCH);
    }
}

static inline void *external_thread(void *arg) {
    external_producer *self = (external_producer *)arg;
    self->batch(self, 0, EXTERNAL_BATCH); /* the warm-up */
    pthread_barrier_wait(self->start);
    external_loop(self);
    return NULL;
}

static inline void external_measure(load_run *run, void *pool, unsigned producers,
                                    uint64_t (*batch)(external_producer *self, uint64_t first, uint64_t count)) {
    external_producer all[EXTERNAL_PRODUCERS_MAX];
    pthread_barrier_t start;
    memset(all, 0, sizeof all);
    pthread_barrier_init(&start, NULL, producers + 1);
    for (unsigned i = 0; i < producers; i++) {
        all[i].batch = batch;
        all[i].pool = pool;
        all[i].first = run->size * i / producers;
        all[i].last = run->size * (i + 1) / producers;
        all[i].start = &start;
        if (pthread_create(&all[i].thread, NULL, external_thread, &all[i]) != 0) {
            load_fail("pthread_create failed");
        }
    }
    load_sleep(10000000); /* they stand before the barrier; if not, the barrier waits */
    load_begin(run);
    pthread_barrier_wait(&start);
    for (unsigned i = 0; i < producers; i++) {
        pthread_join(all[i].thread, NULL);
        run->result += all[i].sum;
    }
    load_end(run);
    pthread_barrier_destroy(&start);
    run->operations = run->size;
    run->expected = run->size * (run->size - 1) / 2;
}

#endif
