/* task/waitlist.c: who waits for an end.
 *
 * A thread waits on a futex in its own frame (os/event.h): the closer needs nothing of its own to wake it, and no end that
 * nobody awaits costs anything. Not by ConcurrencyKit's ck_ec: an event count for each end would need a word more in each
 * task, and one for a pool would wake every thread that waits for any of its tasks.
 * A thread outside pools gives way before it sleeps, as long as that pays (sched/patience.h): while it sleeps, each end
 * of a task that it awaits wakes it, it takes the CPU from the worker, finds that the next task has not ended, and sleeps
 * again.
 */
#include "task/waitlist.h"

#include "os/clock.h"
#include "os/event.h"
#include "os/thread.h"
#include "sched/patience.h"

enum { LOCKS = 64 };
#define LOCK_INIT \
    { .mutex = OS_MUTEX_INIT }
#define LOCKS_INIT_4 LOCK_INIT, LOCK_INIT, LOCK_INIT, LOCK_INIT
#define LOCKS_INIT_16 LOCKS_INIT_4, LOCKS_INIT_4, LOCKS_INIT_4, LOCKS_INIT_4

/* One lock a cache line. Static: no wait can fail for want of one. */
static struct {
    os_mutex mutex;
    char pad[CACHE_LINE - sizeof(os_mutex) % CACHE_LINE];
} locks[LOCKS] = {LOCKS_INIT_16, LOCKS_INIT_16, LOCKS_INIT_16, LOCKS_INIT_16};

/* The threads that held them are not in the child of a fork. */
static void in_fork_child(void) {
    for (int i = 0; i < LOCKS; i++) {
        vti_mutex_init(&locks[i].mutex);
    }
}

__attribute__((constructor)) static void watch_forks(void) { vti_at_fork_child(in_fork_child); }

static os_mutex *lock_of(const waitlist *l) { return &locks[(uintptr_t)l / 64 * 2654435761u / 8 % LOCKS].mutex; }

bool vti_waitlist_add(waitlist *l, struct waiter *w) {
    os_mutex *lock = lock_of(l);
    vti_mutex_lock(lock);
    bool added = waitlist_add_locked(l, w);
    vti_mutex_unlock(lock);
    return added;
}

bool vti_waitlist_remove(waitlist *l, struct waiter *w) {
    os_mutex *lock = lock_of(l);
    vti_mutex_lock(lock);
    bool removed = waitlist_remove_locked(l, w);
    vti_mutex_unlock(lock);
    return removed;
}

/* What this thread has to fire. A waiter that closes another list while it is fired (a combinator over a combinator)
 * adds to it, so that a chain of any length takes no stack. */
static _Thread_local struct {
    struct waiter *first, *last;
    bool firing;
} queue;

static void fire_all(struct waiter *newest) {
    struct waiter *oldest = NULL, *last = newest;
    while (newest != NULL) {
        struct waiter *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    if (oldest == NULL) {
        return;
    }
    *(queue.first != NULL ? &queue.last->next : &queue.first) = oldest;
    queue.last = last;
    if (queue.firing) {
        return;
    }
    queue.firing = true;
    while (queue.first != NULL) {
        struct waiter *w = queue.first;
        queue.first = w->next;
        w->fire(w);
    }
    queue.firing = false;
}

COLD bool vti_waitlist_close_any(waitlist *l) {
    bool owed = false;
    if (waitlist_close_empty(l, &owed)) {
        return owed;
    }
    os_mutex *lock = lock_of(l);
    vti_mutex_lock(lock);
    struct waiter *newest = waitlist_close_locked(l, &owed);
    vti_mutex_unlock(lock);
    fire_all(newest);
    return owed;
}

bool vti_waitlist_hand_over(waitlist *l) {
    bool closed;
    if (LIKELY(waitlist_hand_over_empty(l, &closed))) {
        return true;
    }
    if (!closed) {
        os_mutex *lock = lock_of(l);
        vti_mutex_lock(lock);
        closed = !waitlist_hand_over_locked(l);
        vti_mutex_unlock(lock);
    }
    return !closed;
}

bool vti_waitlist_try_close(waitlist *l, void (*prepare)(void *context), void *context) {
    struct waiter *newest = NULL;
    os_mutex *lock = lock_of(l);
    vti_mutex_lock(lock);
    bool open = !waitlist_is_closed(l);
    if (open) {
        prepare(context);
        newest = waitlist_close_held(l);
    }
    vti_mutex_unlock(lock);
    fire_all(newest);
    return open;
}

struct thread_waiter {
    struct waiter waiter;
    struct event event;
};

static void wake_thread(struct waiter *w) { vti_event_set(&container_of(w, struct thread_waiter, waiter)->event); }

static _Thread_local uint32_t patience_ns; /* of a thread outside pools */

bool vti_waitlist_give_way(const waitlist *l) {
    bool closed = waitlist_is_closed(l); /* [L1] */
    if (closed || patience_ns == 0) {
        return closed;
    }
    uint64_t begun = vti_clock_ns(), now = begun;
    while (!(closed = waitlist_is_closed(l)) && now - begun < patience_ns) { /* [L1] */
        vti_thread_give_way();
        now = vti_clock_ns();
    }
    if (closed && now - begun >= PATIENCE_SLEPT_NS) { /* somebody else wanted the CPU: a sleeper would have got it earlier */
        patience_ns = patience_after(patience_ns, now - begun);
    }
    return closed;
}

void vti_waitlist_wait(waitlist *l) {
    struct thread_waiter self = {{NULL, NULL, wake_thread}, EVENT_INIT};
    uint64_t begun = vti_clock_ns();
    if (vti_waitlist_add(l, &self.waiter)) {
        vti_event_wait(&self.event);
        patience_ns = patience_after(patience_ns, vti_clock_ns() - begun);
    }
}
