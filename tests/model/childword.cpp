// childword.cpp: a shared child is run once, and its owner's join ends: whoever took the child runs it, or publishes it and
// goes away, and then a thief runs it, or nobody does but the owner.
#include "model.h"

struct vt_child {
    rl::var<int> runs;   // written by whoever runs it
    rl::var<int> joined; // its frame may be gone
};

struct Sound {
#include "sched/childword.h"
#include "sched/ticket.h"
};

// One exchange is a load and a store.
template <class W, class V> static V take(W *p, V v) {
    V found = load_acq(p);
    store_rel(p, v);
    return found;
}
#undef VTI_SCHED_CHILDWORD_H
struct NoExchange {
#pragma push_macro("exchange_acqrel")
#undef exchange_acqrel
#define exchange_acqrel(p, v) take((p), uint64_t(v))
#include "sched/childword.h"
#pragma pop_macro("exchange_acqrel")
};

// What is brought is not released.
#undef VTI_SCHED_CHILDWORD_H
struct NoRelease {
#pragma push_macro("exchange_acqrel")
#undef exchange_acqrel
#define exchange_acqrel(p, v) (p)->exchange((v), rl::mo_acquire, $)
#include "sched/childword.h"
#pragma pop_macro("exchange_acqrel")
};

// 0: the owner; 1: takes the child, and then runs it or queues it; 2: takes what is queued, if it looks in time.
// A mutant queues without a word (as one that was taken was, once), or wakes nobody.
template <class P, bool publishes, bool wakes> struct Child : rl::test_suite<Child<P, publishes, wakes>, 3> {
    vt_child child;
    rl::atomic<uint64_t> word;
    rl::atomic<int> taken;          // the private end's boundary
    rl::atomic<vt_child *> a_child; // the ticket's
    rl::var<int> with;              // the child's pointer to the ticket
    rl::atomic<int> ring;
    rl::mutex lock; // the futex: looks at the word and sleeps in one step
    rl::condition_variable futex;

    void before() {
        child.runs($) = 0;
        child.joined($) = 0;
        word($) = P::childword_of(P::CHILD_PRIVATE);
        taken($) = 0;
        a_child($) = nullptr;
        with($) = 0;
        ring($) = 0;
    }
    void run() {
        RL_ASSERT(child.joined($) == 0);
        child.runs($) = child.runs($) + 1;
    }
    bool take_private() {
        int none = 0;
        return taken.compare_exchange_strong(none, 1, rl::mo_acq_rel, $);
    }
    void futex_wait() {
        lock.lock($);
        while (P::childword_state(word.load(rl::mo_relaxed, $)) == P::CHILD_WAITING)
            futex.wait(lock, $);
        lock.unlock($);
    }
    void futex_wake() {
        if (!wakes)
            return;
        lock.lock($);
        futex.notify_all($);
        lock.unlock($);
    }
    void end() {
        if (P::childword_end(&word, 0))
            futex_wake();
    }
    void join() {
        if (take_private()) {
            run();
            return;
        }
        typename P::child_state now;
        while ((now = P::childword_look(&word)) != P::CHILD_DONE) {
            if (now == P::CHILD_PUBLISHED && with($) == 1 && Sound::ticket_claim_owner(&a_child, &child)) {
                run();
                return;
            }
            if (P::childword_wait_owner(&word, now))
                futex_wait();
        }
    }
    void steal() {
        if (!take_private())
            return;
        if (rl::rand(2) == 0) {
            run();
            end();
            return;
        }
        store_rlx(&a_child, &child);
        with($) = 1;
        if (publishes && P::childword_publish_taken(&word))
            futex_wake();
        ring.store(1, rl::mo_release, $);
    }
    void steal_queued() {
        if (ring.load(rl::mo_acquire, $) == 0)
            return;
        if (Sound::ticket_claim_thief(&a_child) != nullptr) {
            run();
            end();
        }
    }
    void thread(unsigned index) {
        if (index == 0) {
            join();
            RL_ASSERT(child.runs($) == 1);
            child.joined($) = 1;
        } else if (index == 1) {
            steal();
        } else {
            steal_queued();
        }
    }
};

int main() {
    int wrong = search<Child<Sound, true, true>>("child's word", true, 500000);
    wrong += search<Child<NoExchange, true, true>>("child's word, mutant: no exchange", false, 300000);
    wrong += search<Child<NoRelease, true, true>>("child's word, mutant: no release", false, 300000);
    wrong += search<Child<Sound, false, true>>("child's word, mutant: queued, not published", false, 300000);
    wrong += search<Child<Sound, true, false>>("child's word, mutant: nobody is woken", false, 300000);
    return wrong;
}
