/* sched/pool.c: a pool's life: made, submitted to, closed.
 *
 * The gate: bit 0 is set by the one thread that closes; the rest counts submissions from outside that are under way.
 *   enter: add 2, and if bit 0 is set, take it back and refuse.   close: set bit 0, and wait until the count is 0.
 * [G1] leave (release) -> close (acquire): carries the submissions. Enter and close are RMWs of one word, so a
 *      submission is either counted before the pool begins to drain, or refused.
 * Lifetime: whoever leaves last wakes the closer by address only; the pool may be gone by then.
 * What the pool's own tasks submit needs no gate: a pool with a running task has not drained.
 */
#include "sched/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <vtask/error.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "os/cpu.h"
#include "os/futex.h"
#include "os/memory.h"
#include "sched/ticket.h"

enum { GATE_CLOSING = 1, GATE_ONE = 2 };

#define STACK_DEFAULT ((size_t)8 << 20)
#define STACK_MIN ((size_t)64 << 10)
#define STACK_MAX ((size_t)1 << 30)

int vti_pool_enter(struct task_pool *pool) {
    if ((add_acqrel(&pool->a_gate, (uint32_t)GATE_ONE) & GATE_CLOSING) != 0) { /* [G1] */
        vti_pool_leave(pool);
        return VTASK_E_SHUTDOWN;
    }
    return 0;
}

void vti_pool_leave(struct task_pool *pool) {
    const uint32_t *gate = &pool->a_gate;
    if (sub_acqrel(&pool->a_gate, (uint32_t)GATE_ONE) == (GATE_ONE | GATE_CLOSING)) { /* [G1] */
        vti_futex_wake(gate, 1);
    }
}

void vti_pool_inbox(struct task_pool *pool, struct job *job) {
    vti_inbox_push_any(&pool->inbox, &job->entry);
    if (idle_pushed_any(&pool->idle, &pool->a_inbox_epoch)) {
        vti_pool_wake_one(pool);
    }
}

int vti_pool_submit(struct task_pool *pool, struct job *job) {
    if (UNLIKELY(pool->forks != vti_fork_count())) {
        return VTASK_E_FORKED;
    }
    if (vti_self.pool == pool) { /* a thread of a task's own */
        vti_pool_inbox(pool, job);
        return 0;
    }
    int error = vti_pool_enter(pool);
    if (error == 0) {
        vti_pool_inbox(pool, job);
        vti_pool_leave(pool);
    }
    return error;
}

static struct worker *new_worker(struct task_pool *pool, unsigned index) {
    size_t size = (sizeof(struct worker) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    struct worker *w = vti_alloc_aligned(CACHE_LINE, size);
    if (w == NULL) {
        return NULL;
    }
    w->private.slots = vti_memory_reserve(PRIVATE_SIZE);
    if (w->private.slots == NULL) {
        vti_free(w);
        return NULL;
    }
    w->pool = pool;
    w->index = index;
    w->random = index * 2654435761u + 1;
    /* Sleepers leave a standing request, and nobody has asked this one yet; a lone worker waits to be asked. */
    private_init(&w->private, pool->width > 1 || index > 0);
    vti_ring_init(&w->ring);
    vti_freelist_init(&w->tickets, TICKET_SIZE);
    return w;
}

static void free_worker(struct worker *w) {
    vti_freelist_fini(&w->tickets);
    vti_memory_free(w->private.slots, PRIVATE_SIZE);
    vti_free(w);
}

int vti_pool_add_worker(struct task_pool *pool) {
    uint32_t index = load_rlx(&pool->a_threads); /* changes under the lock only */
    struct worker *w = new_worker(pool, index);
    if (w == NULL) {
        return ENOMEM;
    }
    int error = vti_thread_start(&w->thread, pool->stack_size, vti_worker_main, w);
    if (error != 0) {
        free_worker(w);
        return error;
    }
    pool->workers[index] = w;
    store_rel(&pool->a_threads, index + 1); /* carries workers[] to searchers */
    return 0;
}

static bool options_are_good(const task_pool_options *o) {
    return o->size == sizeof *o && o->workers <= TASK_POOL_WORKERS_MAX && o->flags == 0 &&
           (o->stack_size == 0 || (o->stack_size >= STACK_MIN && o->stack_size <= STACK_MAX));
}

static struct task_pool *new_pool(const task_pool_options *o) {
    unsigned width = o->workers > 0 ? o->workers : vti_cpu_count();
    width = width > TASK_POOL_WORKERS_MAX ? TASK_POOL_WORKERS_MAX : width;
    unsigned capacity = 2 * width > POOL_THREADS_MAX ? 2 * width : POOL_THREADS_MAX;
    struct task_pool *pool = vti_alloc(sizeof *pool + capacity * sizeof pool->workers[0]);
    if (pool != NULL) {
        pool->width = width;
        pool->capacity = capacity;
        pool->stack_size = o->stack_size > 0 ? o->stack_size : STACK_DEFAULT;
        pool->forks = vti_fork_count();
        (void)snprintf(pool->name, sizeof pool->name, "%s", o->name != NULL ? o->name : "vtask");
        vti_inbox_init(&pool->inbox);
        vti_mutex_init(&pool->lock);
    }
    return pool;
}

static void free_pool(struct task_pool *pool) {
    for (uint32_t i = 0; i < load_rlx(&pool->a_threads); i++) { /* the threads were joined */
        free_worker(pool->workers[i]);
    }
    vti_mutex_fini(&pool->lock);
    vti_inbox_fini(&pool->inbox);
    vti_free(pool);
}

/* As many workers as can be had, at least one. */
static int start_workers(struct task_pool *pool) {
    int error = 0;
    vti_mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->width && error == 0; i++) {
        error = vti_pool_add_worker(pool);
    }
    uint32_t started = load_rlx(&pool->a_threads);
    pool->width = started > 0 ? started : pool->width;
    vti_mutex_unlock(&pool->lock);
    return started > 0 ? 0 : error;
}

int task_pool_create(task_pool **pool, const task_pool_options *options) {
    const task_pool_options defaults = TASK_POOL_OPTIONS_INIT;
    const task_pool_options *o = options != NULL ? options : &defaults;
    if (pool == NULL || !options_are_good(o)) {
        return EINVAL;
    }
    vti_membarrier_register();
    struct task_pool *p = new_pool(o);
    if (p == NULL) {
        return ENOMEM;
    }
    int error = start_workers(p);
    if (error != 0) {
        free_pool(p);
        return error;
    }
    *pool = p;
    return 0;
}

/* The default pool. */
static struct {
    os_mutex lock;
    struct task_pool *a_pool;
} standard = {OS_MUTEX_INIT, NULL};

/* The child of a fork has none of the threads: it is no worker, and nobody will unlock what they held. */
static void in_fork_child(void) {
    vti_self = (struct self){.forked = vti_self.forked || vti_self.pool != NULL};
    vtask_worker_v1 = NULL;
    vti_mutex_init(&standard.lock);
}

__attribute__((constructor)) static void watch_forks(void) { vti_at_fork_child(in_fork_child); }

static bool is_of_this_process(const struct task_pool *pool) { return pool != NULL && pool->forks == vti_fork_count(); }

task_pool *task_pool_default(void) {
    struct task_pool *pool = load_acq(&standard.a_pool); /* carries the pool */
    if (LIKELY(is_of_this_process(pool))) {
        return pool;
    }
    int error = 0;
    vti_mutex_lock(&standard.lock);
    pool = load_acq(&standard.a_pool);
    if (!is_of_this_process(pool)) {
        error = task_pool_create(&pool, NULL);
        if (error == 0) {
            pool->permanent = true;
            store_rel(&standard.a_pool, pool);
        }
    }
    vti_mutex_unlock(&standard.lock);
    if (error != 0) {
        errno = error;
        return NULL;
    }
    return pool;
}

task_pool *task_pool_current(void) { return vti_self.frame != NULL ? vti_self.pool : NULL; }

/* [G1] Nothing comes from outside any more; the submissions under way are in the inbox when this returns. */
static bool shut_gate(struct task_pool *pool) {
    if ((or_acqrel(&pool->a_gate, (uint32_t)GATE_CLOSING) & GATE_CLOSING) != 0) {
        return false;
    }
    for (uint32_t gate; (gate = load_acq(&pool->a_gate)) != GATE_CLOSING;) { /* [G1] */
        vti_futex_wait(&pool->a_gate, gate);
    }
    return true;
}

static void drain(struct task_pool *pool) {
    vti_mutex_lock(&pool->lock);
    pool->closing = true;
    vti_mutex_unlock(&pool->lock);
    vti_pool_wake_one(pool); /* if all sleep, this one finds that the pool has drained */
    for (uint32_t i = 0; i < load_acq(&pool->a_threads); i++) { /* grows no more once the first has ended */
        vti_thread_join(pool->workers[i]->thread);
    }
    vti_own_join_ended(pool);
}

int task_pool_close(task_pool *pool) {
    if (pool == NULL) {
        return EINVAL;
    }
    if (pool == load_acq(&standard.a_pool) || vti_self.pool == pool) {
        return EPERM;
    }
    if (pool->forks != vti_fork_count()) {
        return VTASK_E_FORKED;
    }
    int error = vti_block_begin(); /* on a worker of another pool */
    if (error != 0) {
        return error;
    }
    error = shut_gate(pool) ? 0 : VTASK_E_SHUTDOWN;
    if (error == 0) {
        drain(pool);
        free_pool(pool);
    }
    vti_block_end();
    return error;
}

static void add_up(task_pool_stats *stats, struct worker *w) {
    task_worker_stats one = {load_rlx(&w->a_jobs), load_rlx(&w->a_steals), load_rlx(&w->a_parks),
                             load_rlx(&w->a_blocks)}; /* counters: nothing is carried */
    stats->jobs += one.jobs;
    stats->steals += one.steals;
    stats->parks += one.parks;
    stats->blocks += one.blocks;
    stats->published += load_rlx(&w->a_published);
    stats->spilled += load_rlx(&w->a_spilled);
    if (stats->each != NULL && w->index < stats->each_capacity) {
        stats->each[w->index] = one;
    }
}

void task_pool_get_stats(task_pool *pool, task_pool_stats *stats) {
    if (pool == NULL || stats == NULL || stats->size != sizeof *stats) {
        return;
    }
    *stats = (task_pool_stats){.size = stats->size, .each = stats->each, .each_capacity = stats->each_capacity};
    stats->workers = pool->width;
    stats->threads = load_acq(&pool->a_threads); /* carries workers[] */
    for (uint32_t i = 0; i < stats->threads; i++) {
        add_up(stats, pool->workers[i]);
    }
}
