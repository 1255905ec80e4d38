/* sched/park.c: sleeping and waking. The word that decides when is in sched/idle.h; here are the lists and the futex.
 *
 * A worker that goes to sleep clears its a_wake and puts itself on a list under the pool's lock; its waker takes it off
 * under the lock, then sets a_wake and wakes its futex. Each is on one list at most, and each sleep has one wake, which
 * the sleeper awaits even if it does not want to sleep any more: else a late one would end its next sleep.
 * [W1] a_wake = 1 (release) -> the sleeper's look (acquire): carries what the waker did.
 * A pool has drained when it is closing, no thread of a task's own is left, and every worker is asleep or spare: then
 * nobody is left who could push, and the last searcher has looked at every queue after the last push.
 */
#include "base/assert.h"
#include "os/futex.h"
#include "sched/pool.h"

void vti_worker_wake(struct worker *w) {
    store_rel(&w->a_wake, 1u); /* [W1] */
    vti_futex_wake(&w->a_wake, 1);
}

void vti_worker_sleep(struct worker *w) {
    while (load_acq(&w->a_wake) == 0) { /* [W1] */
        vti_futex_wait(&w->a_wake, 0);
    }
}

static struct worker *pop_sleeper(struct task_pool *pool) {
    struct worker *w = pool->sleepers;
    if (w != NULL) {
        pool->sleepers = w->next;
        pool->sleeping--;
        idle_woken(&pool->idle);
    }
    return w;
}

static void push_sleeper(struct task_pool *pool, struct worker *w) {
    store_rlx(&w->a_wake, 0u); /* the lock carries it to the waker */
    w->next = pool->sleepers;
    pool->sleepers = w;
    pool->sleeping++;
}

/* Takes the worker off the list again; if somebody else has, its wake is on the way, and belongs to this sleep. */
static void unpark(struct task_pool *pool, struct worker *w) {
    vti_mutex_lock(&pool->lock);
    struct worker **at = &pool->sleepers;
    while (*at != NULL && *at != w) {
        at = &(*at)->next;
    }
    bool listed = *at == w;
    if (listed) {
        *at = w->next;
        pool->sleeping--;
        idle_woken(&pool->idle);
    }
    vti_mutex_unlock(&pool->lock);
    if (!listed) {
        vti_worker_sleep(w);
    }
}

void vti_pool_wake_one(struct task_pool *pool) {
    vti_mutex_lock(&pool->lock);
    struct worker *w = pop_sleeper(pool);
    vti_mutex_unlock(&pool->lock);
    if (w != NULL) { /* without the lock, which it needs to sleep again; it lives, since the pool has not drained */
        vti_worker_wake(w);
    }
}

bool vti_pool_has_work(struct task_pool *pool) {
    uint32_t threads = load_acq(&pool->a_threads); /* carries workers[] */
    idle_look(&pool->a_inbox_epoch);
    if (vti_inbox_has_any(&pool->inbox)) {
        return true;
    }
    for (uint32_t i = 0; i < threads; i++) {
        idle_look(&pool->workers[i]->a_epoch);
        if (vti_ring_size(&pool->workers[i]->ring) > 0 || private_has_any(&pool->workers[i]->private)) {
            return true;
        }
    }
    return false;
}

bool vti_pool_has_children(struct task_pool *pool) {
    uint32_t threads = load_acq(&pool->a_threads); /* carries workers[] */
    for (uint32_t i = 0; i < threads; i++) {
        if (private_has_any(&pool->workers[i]->private)) {
            return true;
        }
    }
    return false;
}

/* Whoever sleeps calls it after the word that says so, and under the lock. */
bool vti_pool_ask(struct task_pool *pool) {
    uint32_t threads = load_acq(&pool->a_threads); /* carries workers[] */
    bool new = false;
    for (uint32_t i = 0; i < threads; i++) {
        new |= private_ask_any(&pool->workers[i]->private);
    }
    return new;
}

/* Looks at the private ends once more. With the barrier each fork has either seen the request, and wakes somebody, or is
 * seen here [V3]. Where there is no membarrier requests stand for good, and each fork is a push with an epoch; where it
 * has just been refused, one that was new calls for another round: what was forked before it shows by then. */
static bool forked_meanwhile(struct task_pool *pool, bool new) {
    bool ordered = membarrier_all(); /* [V3] */
    return vti_pool_has_children(pool) || (new && !ordered);
}

static void wake_all(struct task_pool *pool) {
    struct worker *w;
    while ((w = pop_sleeper(pool)) != NULL) {
        vti_worker_wake(w);
    }
    while ((w = pool->spares) != NULL) {
        pool->spares = w->next;
        pool->spare--;
        vti_worker_wake(w);
    }
}

/* The last searcher of a closing pool has found nothing. Ends the pool if nobody else is left who could bring work. */
static void drain_if_last(struct task_pool *pool) {
    vti_mutex_lock(&pool->lock);
    if (pool->own == 0 && pool->sleeping + pool->spare == load_rlx(&pool->a_threads)) {
        store_rel(&pool->a_drained, 1u);
        wake_all(pool);
    }
    vti_mutex_unlock(&pool->lock);
}

bool vti_worker_park(struct worker *w) {
    struct task_pool *pool = w->pool;
    vti_mutex_lock(&pool->lock);
    if (load_rlx(&pool->a_drained) != 0) { /* the lock carries it */
        vti_mutex_unlock(&pool->lock);
        return false;
    }
    push_sleeper(pool, w);
    bool last = idle_fall_asleep(&pool->idle);
    bool new = vti_pool_ask(pool);
    /* Where all others sleep nobody can fork before somebody takes the lock to wake him, and finds the request. */
    bool alone = pool->sleeping + pool->spare == load_rlx(&pool->a_threads);
    bool closing = pool->closing; /* who closes wakes one of those that sleep by then, who comes here again */
    vti_mutex_unlock(&pool->lock);
    if ((!alone && forked_meanwhile(pool, new)) || (last && vti_pool_has_work(pool))) {
        unpark(pool, w);
        return true;
    }
    if (last && closing) {
        drain_if_last(pool);
    }
    bump_owner(&w->a_parks, 1);
    vti_worker_sleep(w);
    return load_acq(&pool->a_drained) == 0;
}

void vti_worker_retire(struct worker *w) {
    struct task_pool *pool = w->pool;
    vti_children_publish(w, UINT32_MAX);
    vti_mutex_lock(&pool->lock);
    bool surplus = load_rlx(&pool->a_surplus) > 0 && !pool->closing; /* a closing pool needs its last searcher */
    if (surplus) {
        store_rlx(&pool->a_surplus, load_rlx(&pool->a_surplus) - 1);
        store_rlx(&w->a_wake, 0u); /* the lock carries it to the waker */
        w->next = pool->spares;
        pool->spares = w;
        pool->spare++;
    }
    vti_mutex_unlock(&pool->lock);
    if (surplus) {
        if (vti_pool_has_work(pool)) {
            vti_pool_wake_one(pool); /* what this one leaves behind is for those that stay */
        }
        vti_worker_sleep(w);
    }
}
