// park.h: sched/park.c itself and the headers it rests on: text for the inside of a struct that has the functions of a
// private end, or says that there are none, and membarrier_all(). Their static functions, the steps of the protocol, are
// virtual there, so that a mutant is a struct that overrides one.
#undef VTI_SCHED_IDLE_H
#undef VTI_SCHED_SLEEP_H
#undef VTI_SCHED_REQUEST_H
#define VTI_SCHED_PRIVATE_H
#define VTI_SCHED_POOL_H
#define VTI_OS_FUTEX_H
#define static virtual

#include "sched/idle.h"

// Relacy's futex is one of ints.
#define atomic_u32 rl::atomic<int>
#define vti_futex_wait(word, value) rl::rl_futex((word), rl::RL_FUTEX_WAIT, (value), 0, 0, 0, $)
#define vti_futex_wake(word, count) rl::rl_futex((word), rl::RL_FUTEX_WAKE, (count), 0, 0, 0, $)
#include "sched/sleep.h"
#undef atomic_u32
#include "sched/request.h"

// A queue of one pusher; nobody but the epoch and the word carries what is in it.
struct queue {
    rl::atomic<int> a_pushed, a_taken;
};
struct task_pool;
struct worker {
    struct task_pool *pool;
    struct sleeper sleeper;
    rl::atomic<uint32_t> a_epoch;
    queue ring;
    private_end *private_of;
};
struct pool_lock {
    rl::mutex mutex;
    struct task_pool *pool;
};
struct task_pool {
    struct idle idle;
    queue inbox;
    rl::atomic<uint32_t> a_inbox_epoch, a_surplus, a_drained, a_threads;
    pool_lock lock;
    struct sleep_list sleepers, spares;
    unsigned own;
    bool closing;
    worker *workers[4];
};

// Each is on one list at most.
bool is_listed(task_pool *pool, struct sleeper *s) {
    uint32_t found = 0, all = 0;
    for (auto *list : {&pool->sleepers, &pool->spares}) {
        uint32_t length = 0;
        for (struct sleeper *at = list->first; at != nullptr && length <= 4; at = at->next, length++)
            found += at == s;
        RL_ASSERT(length == list->length);
        all += length;
    }
    RL_ASSERT(found <= 1 && all <= 4);
    return found != 0;
}
virtual void vti_mutex_lock(pool_lock *lock) { lock->mutex.lock($); }
void vti_mutex_unlock(pool_lock *lock) {
    for (auto *list : {&lock->pool->sleepers, &lock->pool->spares}) {
        for (struct sleeper *at = list->first; at != nullptr; at = at->next)
            RL_ASSERT(is_listed(lock->pool, at));
    }
    lock->mutex.unlock($);
}
virtual bool queue_has_any(queue *q) {
    return q->a_taken.load(rl::mo_relaxed, $) < q->a_pushed.load(rl::mo_relaxed, $);
}
virtual int vti_ring_size(queue *q) { return queue_has_any(q); }
virtual bool vti_inbox_has_any(queue *q) { return queue_has_any(q); }
void queue_push(queue *q) { q->a_pushed.store(q->a_pushed.load(rl::mo_relaxed, $) + 1, rl::mo_relaxed, $); }
bool queue_take(queue *q) {
    int n = q->a_taken.load(rl::mo_relaxed, $);
    return n < q->a_pushed.load(rl::mo_relaxed, $) && q->a_taken.compare_exchange_strong(n, n + 1, rl::mo_acq_rel, $);
}
void vti_children_publish(worker *, uint32_t) {}

#define private private_of[0]
#define bump_owner(p, v) (void)0 /* statistics */
#include "sched/park.c"
#undef private
#undef bump_owner
#undef static
#undef vti_futex_wait
#undef vti_futex_wake

void pool_begin(task_pool *pool, worker *workers, unsigned threads) {
    pool->idle.a_state($) = 0;
    pool->inbox.a_pushed($) = pool->inbox.a_taken($) = 0;
    pool->a_inbox_epoch($) = pool->a_surplus($) = pool->a_drained($) = 0;
    pool->a_threads($) = threads;
    pool->lock.pool = pool;
    pool->sleepers = pool->spares = {nullptr, 0};
    pool->own = 0;
    pool->closing = false;
    for (unsigned i = 0; i < threads; i++) {
        worker *w = pool->workers[i] = &workers[i];
        w->pool = pool;
        w->sleeper.a_wake($) = 0;
        w->a_epoch($) = 0;
        w->ring.a_pushed($) = w->ring.a_taken($) = 0;
    }
}
