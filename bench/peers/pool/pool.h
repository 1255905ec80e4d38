/* pool.h: a plain thread pool on a mutex and condition variables, written as well as it can be: the peer that a C
 * programmer would write.
 *
 * One FIFO list under one mutex. Futures are linked into it, so that the queue never allocates. A worker takes several
 * at a time when many are queued; a submitter wakes only as many workers as sleep and as it brings work for, and the
 * wake is given after the mutex is free.
 *
 * A future's word: PENDING --- wait: CAS ---> WAITED --- end: exchange ---> DONE;  PENDING --- end: exchange ---> DONE
 * [P1] end (exchange, release) -> wait (acquire): carries the value. Either the waiter finds DONE, or the worker finds
 *      WAITED and wakes; it then passes through the stripe's mutex, under which the waiter looked, so the wake is not lost.
 * Lifetime: after the exchange the worker touches the stripe only, which is the pool's; the waiter may free the future.
 * A task that waits for another of the same pool may wait for ever, as in any such pool.
 */
#ifndef BENCH_PEERS_POOL_H
#define BENCH_PEERS_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "load.h"

#define POOL_STRIPES 64u
#define POOL_TAKE_MAX 16u

enum { FUTURE_PENDING, FUTURE_WAITED, FUTURE_DONE };

typedef struct future {
    uint64_t (*fn)(uint64_t arg);
    uint64_t arg, value;
    struct future *next;
    uint32_t a_state;
} future;

typedef struct stripe {
    _Alignas(64) pthread_mutex_t lock;
    pthread_cond_t done;
} stripe;

typedef struct pool {
    _Alignas(64) pthread_mutex_t lock; /* guards all up to `closing` */
    pthread_cond_t work;
    future *head, **tail;
    size_t queued;
    unsigned sleeping, woken; /* woken: of the sleeping, how many have been signalled already */
    bool closing;
    unsigned workers;
    pthread_t *threads;
    stripe stripes[POOL_STRIPES];
} pool;

static inline stripe *pool_stripe(pool *p, const future *f) {
    return &p->stripes[((uintptr_t)f * 0x9E3779B97F4A7C15u) >> 58];
}

static inline void future_run(pool *p, future *f) {
    stripe *s = pool_stripe(p, f);
    f->value = f->fn(f->arg);
    if (__atomic_exchange_n(&f->a_state, FUTURE_DONE, __ATOMIC_ACQ_REL) == FUTURE_WAITED) { /* [P1] */
        pthread_mutex_lock(&s->lock);
        pthread_cond_broadcast(&s->done);
        pthread_mutex_unlock(&s->lock);
    }
}

static inline uint64_t future_wait(pool *p, future *f) {
    uint32_t seen = __atomic_load_n(&f->a_state, __ATOMIC_ACQUIRE); /* [P1] */
    if (seen != FUTURE_DONE) {
        stripe *s = pool_stripe(p, f);
        pthread_mutex_lock(&s->lock);
        seen = FUTURE_PENDING;
        __atomic_compare_exchange_n(&f->a_state, &seen, FUTURE_WAITED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        while (__atomic_load_n(&f->a_state, __ATOMIC_ACQUIRE) != FUTURE_DONE) { /* [P1] */
            pthread_cond_wait(&s->done, &s->lock);
        }
        pthread_mutex_unlock(&s->lock);
    }
    return f->value;
}

/* Under the lock: a chain of some of the queue's futures, as many as leave the others their share. */
static inline future *pool_take(pool *p) {
    size_t share = p->queued / (2 * (size_t)p->workers);
    size_t count = share < 1 ? 1 : share > POOL_TAKE_MAX ? POOL_TAKE_MAX : share;
    future *first = p->head, *last = first;
    p->queued -= count;
    while (--count > 0) {
        last = last->next;
    }
    p->head = last->next;
    if (p->head == NULL) {
        p->tail = &p->head;
    }
    last->next = NULL;
    return first;
}

static inline void pool_sleep(pool *p) {
    p->sleeping++;
    pthread_cond_wait(&p->work, &p->lock);
    p->sleeping--;
    p->woken -= p->woken > 0;
}

static inline void *pool_thread(void *arg) {
    pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->head == NULL && !p->closing) {
            pool_sleep(p);
        }
        if (p->head == NULL) {
            break;
        }
        future *f = pool_take(p);
        pthread_mutex_unlock(&p->lock);
        while (f != NULL) {
            future *next = f->next; /* the waiter may free f once it has run */
            future_run(p, f);
            f = next;
        }
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static inline void future_init(future *f, uint64_t (*fn)(uint64_t arg), uint64_t arg) {
    *f = (future){.fn = fn, .arg = arg, .a_state = FUTURE_PENDING};
}

/* Submits a chain of `count` > 0 futures, linked by `next`, that ends with `last`. */
static inline void pool_submit_many(pool *p, future *first, future *last, size_t count) {
    last->next = NULL;
    pthread_mutex_lock(&p->lock);
    *p->tail = first;
    p->tail = &last->next;
    p->queued += count;
    size_t asleep = p->sleeping - p->woken;
    size_t wake = asleep < count ? asleep : count;
    p->woken += (unsigned)wake;
    pthread_mutex_unlock(&p->lock);
    while (wake-- > 0) {
        pthread_cond_signal(&p->work);
    }
}

static inline void pool_submit(pool *p, future *f) { pool_submit_many(p, f, f, 1); }

static inline pool *pool_create(unsigned workers) {
    pool *p = aligned_alloc(64, sizeof *p);
    if (p == NULL) {
        load_fail("out of memory");
    }
    memset(p, 0, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    for (unsigned i = 0; i < POOL_STRIPES; i++) {
        pthread_mutex_init(&p->stripes[i].lock, NULL);
        pthread_cond_init(&p->stripes[i].done, NULL);
    }
    p->tail = &p->head;
    p->workers = workers;
    p->threads = load_alloc(workers, sizeof *p->threads);
    for (unsigned i = 0; i < workers; i++) {
        if (pthread_create(&p->threads[i], NULL, pool_thread, p) != 0) {
            load_fail("pthread_create failed");
        }
    }
    return p;
}

/* Runs what is queued, then ends the threads. */
static inline void pool_close(pool *p) {
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->workers; i++) {
        pthread_join(p->threads[i], NULL);
    }
    for (unsigned i = 0; i < POOL_STRIPES; i++) {
        pthread_mutex_destroy(&p->stripes[i].lock);
        pthread_cond_destroy(&p->stripes[i].done);
    }
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p);
}

#endif
