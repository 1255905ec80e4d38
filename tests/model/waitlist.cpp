// waitlist.cpp: a waiter is fired once, or removed, or told that the list is closed: one of the three, and the outcome is
// seen by whoever learns of the end.
#include "model.h"

struct Sound {
#include "task/waitlist.h"
};

// The first waiter is added by a store: an end without the lock may be overwritten.
#undef VTI_TASK_WAITLIST_H
#undef WAITLIST_CLOSED
#undef WAITLIST_OWED
struct NoCas {
#pragma push_macro("cas_acqrel")
#undef cas_acqrel
#define cas_acqrel(p, expected, v) (load_acq(p) == *(expected) && (store_rel(p, v), true))
#include "task/waitlist.h"
#pragma pop_macro("cas_acqrel")
};

// The end is not a release.
#undef VTI_TASK_WAITLIST_H
#undef WAITLIST_CLOSED
#undef WAITLIST_OWED
struct NoRelease {
#pragma push_macro("cas_acqrel")
#pragma push_macro("exchange_acqrel")
#pragma push_macro("store_rel")
#undef cas_acqrel
#undef exchange_acqrel
#undef store_rel
#define cas_acqrel(p, expected, v) (p)->compare_exchange_strong(*(expected), (v), rl::mo_relaxed, $)
#define exchange_acqrel(p, v) (p)->exchange((v), rl::mo_relaxed, $)
#define store_rel(p, v) (p)->store((v), rl::mo_relaxed, $)
#include "task/waitlist.h"
#pragma pop_macro("cas_acqrel")
#pragma pop_macro("exchange_acqrel")
#pragma pop_macro("store_rel")
};

template <class P> struct Waitlist : rl::test_suite<Waitlist<P>, 4> {
    typename P::waitlist list;
    struct {
        typename P::waiter waiter;
        rl::atomic<int> fired;
    } waits[2];
    rl::var<int> outcome;
    rl::var<int> ended;
    rl::mutex lock;

    void before() {
        list($) = nullptr;
        outcome($) = 0;
        ended($) = 0;
        for (auto &w : waits)
            w.fired($) = 0;
    }

    void close() {
        outcome($) = 7;
        bool owed = false;
        if (P::waitlist_close_empty(&list, &owed)) {
            if (owed)
                ended($) = ended($) + 1;
            return;
        }
        lock.lock($);
        typename P::waiter *w = P::waitlist_close_locked(&list, &owed);
        lock.unlock($);
        while (w != nullptr) {
            typename P::waiter *next = w->next; // before the store that frees it
            int i = w == &waits[0].waiter ? 0 : 1;
            RL_ASSERT(waits[i].fired.fetch_add(1, rl::mo_acq_rel, $) == 0);
            w = next;
        }
        if (owed)
            ended($) = ended($) + 1;
    }

    // Gives the object up: it is ended once, by whoever comes second.
    void leave() {
        bool closed;
        if (P::waitlist_hand_over_empty(&list, &closed))
            return;
        if (!closed) {
            lock.lock($);
            closed = !P::waitlist_hand_over_locked(&list);
            lock.unlock($);
        }
        if (closed) {
            RL_ASSERT(outcome($) == 7);
            ended($) = ended($) + 1;
        }
    }
    void after() { RL_ASSERT(ended($) == 1); }

    void wait(int i, bool remove) {
        lock.lock($);
        bool added = P::waitlist_add_locked(&list, &waits[i].waiter);
        lock.unlock($);
        bool removed = false;
        if (added && remove) {
            lock.lock($);
            removed = P::waitlist_remove_locked(&list, &waits[i].waiter);
            lock.unlock($);
        }
        if (added && !removed) {
            while (waits[i].fired.load(rl::mo_acquire, $) == 0)
                rl::yield(1, $);
        }
        if (!removed) {
            RL_ASSERT(outcome($) == 7);
            RL_ASSERT(P::waitlist_is_closed(&list));
        } else {
            RL_ASSERT(waits[i].fired.load(rl::mo_relaxed, $) == 0);
        }
    }

    void thread(unsigned index) {
        if (index == 2) {
            close();
        } else if (index == 3) {
            leave();
        } else {
            wait(static_cast<int>(index), index == 1);
        }
    }
};

// Two closers, of which one may: all that change the list hold its lock (a source's).
template <class P> struct Held : rl::test_suite<Held<P>, 3> {
    typename P::waitlist list;
    typename P::waiter waiter;
    rl::atomic<int> fired, closed;
    rl::var<int> outcome;
    rl::mutex lock;

    void before() {
        list($) = nullptr;
        fired($) = 0;
        closed($) = 0;
        outcome($) = 0;
    }
    void after() { RL_ASSERT(closed.load(rl::mo_relaxed, $) == 1); }

    void close() {
        typename P::waiter *w = nullptr;
        lock.lock($);
        if (!P::waitlist_is_closed(&list)) {
            outcome($) = 7;
            w = P::waitlist_close_held(&list);
            closed.fetch_add(1, rl::mo_relaxed, $);
        }
        lock.unlock($);
        if (w != nullptr)
            RL_ASSERT(w == &waiter && fired.fetch_add(1, rl::mo_acq_rel, $) == 0);
    }

    void wait() {
        if (!P::waitlist_is_closed(&list)) {
            lock.lock($);
            bool added = P::waitlist_add_locked(&list, &waiter);
            lock.unlock($);
            while (added && fired.load(rl::mo_acquire, $) == 0)
                rl::yield(1, $);
        }
        RL_ASSERT(outcome($) == 7);
        RL_ASSERT(P::waitlist_is_closed(&list));
    }

    void thread(unsigned index) {
        if (index == 0) {
            wait();
        } else {
            close();
        }
    }
};

int main() {
    int wrong = search<Waitlist<Sound>>("waitlist", true, 300000);
    wrong += search<Held<Sound>>("waitlist, closed under the lock", true, 300000);
    wrong += search<Held<NoRelease>>("waitlist, closed under the lock, mutant: relaxed", false, 300000);
    wrong += search<Waitlist<NoCas>>("waitlist, mutant: no CAS", false, 300000);
    wrong += search<Waitlist<NoRelease>>("waitlist, mutant: the end is relaxed", false, 300000);
    return wrong;
}
