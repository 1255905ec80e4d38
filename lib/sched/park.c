/* sched/park.c: when a worker sleeps, and who wakes it. Whether somebody must be woken is in sched/idle.h, what is asked of
 * those who have private children in sched/request.h, how one sleeps and is woken in sched/sleep.h.
 *
 * A searcher is on the list of sleepers before it stops being one for the idle word, and off that list before it is a
 * searcher again: all under the pool's lock. So whoever finds that somebody sleeps finds him, or who has taken him.
 * A pool has drained when it is closing, no thread of a task's own is left, and every worker is asleep or spare: then
 * nobody is left who could push, and the last searcher has looked at every queue after the last push.
 * Models: tests/model/park.cpp and request.cpp, which include this file.
 */
#include "sched/pool.h"
#include "sched/request.h"
#include "sched/sleep.h"

struct sleeper *vti_pool_pop_sleeper(struct task_pool *pool) {
    struct sleeper *s = sleep_pop(&pool->sleepers);
    if (s != NULL) {
        idle_woken(&pool->idle);
    }
    return s;
}

/* The worker does not want to sleep any more. */
static void unpark(struct task_pool *pool, struct worker *w) {
    vti_mutex_lock(&pool->lock);
    bool listed = sleep_remove_owner(&pool->sleepers, &w->sleeper);
    if (listed) {
        idle_woken(&pool->idle);
    }
    vti_mutex_unlock(&pool->lock);
    if (!listed) {
        sleep_until_woken_owner(&w->sleeper); /* that wake belongs to this sleep */
    }
}

void vti_pool_wake_one(struct task_pool *pool) {
    vti_mutex_lock(&pool->lock);
    struct sleeper *s = vti_pool_pop_sleeper(pool);
    vti_mutex_unlock(&pool->lock);
    if (s != NULL) { /* without the lock, which it needs to sleep again; it lives, since the pool has not drained */
        sleep_wake(s);
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

/* Whoever sleeps calls it after the word that says so [R1], and under the lock. */
bool vti_pool_ask(struct task_pool *pool) {
    uint32_t threads = load_acq(&pool->a_threads); /* carries workers[] */
    bool fresh = false;
    for (uint32_t i = 0; i < threads; i++) {
        fresh |= private_ask_any(&pool->workers[i]->private);
    }
    return fresh;
}

/* Looks at the private ends once more. `fresh`: a request was new. */
static bool forked_meanwhile(struct task_pool *pool, bool fresh) {
    bool ordered = membarrier_all(); /* [V3] */
    return vti_pool_has_children(pool) || (fresh && !ordered);
}

/* Nobody is awake, but for the caller. Under the lock. */
static bool all_sleep(struct task_pool *pool) {
    return pool->sleepers.length + pool->spares.length == load_rlx(&pool->a_threads); /* grows under the lock */
}

static void wake_all(struct task_pool *pool) {
    struct sleeper *s;
    while ((s = vti_pool_pop_sleeper(pool)) != NULL) {
        sleep_wake(s);
    }
    while ((s = sleep_pop(&pool->spares)) != NULL) {
        sleep_wake(s);
    }
}

/* The last searcher of a closing pool has found nothing. Ends the pool if nobody else is left who could bring work. */
static void drain_if_last(struct task_pool *pool) {
    vti_mutex_lock(&pool->lock);
    if (pool->own == 0 && all_sleep(pool)) {
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
    sleep_push_owner(&pool->sleepers, &w->sleeper);
    bool last = idle_fall_asleep(&pool->idle); /* [R1] */
    bool fresh = vti_pool_ask(pool);
    /* Where all others sleep nobody can fork before somebody takes the lock to wake him, and finds the request. */
    bool alone = all_sleep(pool);
    bool closing = pool->closing; /* who closes wakes one of those that sleep by then, who comes here again */
    vti_mutex_unlock(&pool->lock);
    if ((!alone && forked_meanwhile(pool, fresh)) || (last && vti_pool_has_work(pool))) {
        unpark(pool, w);
        return true;
    }
    if (last && closing) {
        drain_if_last(pool);
    }
    bump_owner(&w->a_parks, 1);
    sleep_until_woken_owner(&w->sleeper);
    return load_acq(&pool->a_drained) == 0;
}

void vti_worker_retire(struct worker *w) {
    struct task_pool *pool = w->pool;
    vti_children_publish(w, UINT32_MAX);
    vti_mutex_lock(&pool->lock);
    bool surplus = load_rlx(&pool->a_surplus) > 0 && !pool->closing; /* a closing pool needs its last searcher */
    if (surplus) {
        store_rlx(&pool->a_surplus, load_rlx(&pool->a_surplus) - 1);
        sleep_push_owner(&pool->spares, &w->sleeper);
    }
    vti_mutex_unlock(&pool->lock);
    if (surplus) {
        if (vti_pool_has_work(pool)) {
            vti_pool_wake_one(pool); /* what this one leaves behind is for those that stay */
        }
        sleep_until_woken_owner(&w->sleeper);
    }
}
