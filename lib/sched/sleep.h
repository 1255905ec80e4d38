/* sched/sleep.h: a worker's sleep on a futex of its own, and the lists of who sleeps.
 *
 *             push (owner)              pop (waker)               wake (waker)
 *   AWAKE -------------------> LISTED --------------> TAKEN ------------------------> AWAKE
 *     ^       a_wake = 0         |                           a_wake = 1 [W1], futex
 *     +--------------------------+
 *            remove (owner)
 *
 *   field          AWAKE            LISTED              TAKEN
 *   a_wake         nobody; stale    0                   the waker: 0, then 1
 *   next           nobody           under the lock      nobody
 *   first, length: under the lock, as push, pop and remove are; a wake needs no lock
 *
 * Why no wake-up is lost. a_wake is 0 before the sleeper can be taken, as the lock carries that to the waker; and the waker
 * sets it before it wakes the futex. The sleeper looks, and the kernel looks once more as it puts it to sleep: either it
 * sees the 1, or the futex wake comes later and finds it.
 * Why no wake ends a later sleep. Each push has one pop or one remove, and each pop one wake. Whom a waker has taken
 * awaits that wake before it lists itself again, even if it does not want to sleep any more: so the waker's 1 comes before
 * the next 0. Its futex wake may come later yet, and then the sleeper looks again for nothing.
 * [W1] a_wake = 1 (release) -> the sleeper's look (acquire): carries what the waker did.
 * Lifetime: after that store the sleeper may end, and its memory be gone: the waker uses its address only.
 * Rejected: one futex for all (whoever wakes cannot choose, and each sleeper looks at a word that others change).
 * Model: tests/model/park.cpp.
 */
#ifndef VTI_SCHED_SLEEP_H
#define VTI_SCHED_SLEEP_H

#include "base/atomic.h"
#include "os/futex.h"

struct sleeper {
    atomic_u32 a_wake; /* 1: woken */
    struct sleeper *next;
};

struct sleep_list {
    struct sleeper *first;
    uint32_t length;
};

/* --- under the lock --- */

static inline void sleep_push_owner(struct sleep_list *list, struct sleeper *s) {
    store_rlx(&s->a_wake, 0u); /* the lock carries it to the waker */
    s->next = list->first;
    list->first = s;
    list->length++;
}

/* The youngest, for the caller to wake; NULL: none. */
static inline struct sleeper *sleep_pop(struct sleep_list *list) {
    struct sleeper *s = list->first;
    if (s != NULL) {
        list->first = s->next;
        list->length--;
    }
    return s;
}

/* False: somebody has taken it, and its wake is on the way. */
static inline bool sleep_remove_owner(struct sleep_list *list, const struct sleeper *s) {
    struct sleeper **at = &list->first;
    while (*at != NULL && *at != s) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return false;
    }
    *at = s->next;
    list->length--;
    return true;
}

/* --- without it --- */

static inline void sleep_wake(struct sleeper *s) {
    store_rel(&s->a_wake, 1u); /* [W1] */
    vti_futex_wake(&s->a_wake, 1);
}

static inline void sleep_until_woken_owner(struct sleeper *s) {
    while (load_acq(&s->a_wake) == 0) { /* [W1] */
        vti_futex_wait(&s->a_wake, 0);
    }
}

#endif
