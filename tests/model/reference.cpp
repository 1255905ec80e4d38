// reference.cpp: a task is freed once, by nobody who is not the last, and after everybody's last use of it: a holder lets go
// while the task runs, retains itself, hands on, and ends.
#include "model.h"

#define LIKELY(x) (x)
#define VTI_BASE_COMPILER_H

struct Sound {
#include "task/waitlist.h"
    static bool vti_waitlist_hand_over(waitlist *l) {
        bool closed;
        return waitlist_hand_over_empty(l, &closed); // nobody waits here
    }
#include "task/reference.h"
};

// The count is read before the end, and not again.
struct CountFirst : Sound {
    static bool reference_give_up(atomic_u32 *a_references, waitlist *waiters, bool runs) {
        uint32_t references = load_acq(a_references);
        if (!reference_is_last(references) && reference_count_down(a_references, references))
            return false;
        if (!waitlist_is_closed(waiters) && runs && vti_waitlist_hand_over(waiters))
            return false;
        return true;
    }
};

// The last look at the count does not acquire what the others did.
struct NoAcquire : Sound {
    static bool reference_give_up(atomic_u32 *a_references, waitlist *waiters, bool) {
        for (;;) {
            bool ended = waiters->load(rl::mo_relaxed, $) == WAITLIST_CLOSED;
            uint32_t references = a_references->load(rl::mo_relaxed, $);
            if (!reference_is_last(references) && reference_count_down(a_references, references))
                return false;
            if (ended)
                return true;
            if (vti_waitlist_hand_over(waiters))
                return false;
        }
    }
};

// 0: the runner; 1: who made the task and lets go of it; 2: whom the task hands itself to.
template <class P> struct Reference : rl::test_suite<Reference<P>, 3> {
    atomic_u32 references;
    typename P::waitlist waiters;
    rl::var<int> block; // read by everybody's use, written by whoever frees it
    rl::var<int> freed;
    rl::atomic<int> handed;

    void before() {
        references($) = TASK_REFERENCE;
        waiters($) = nullptr;
        block($) = 1;
        freed($) = 0;
        handed($) = 0;
    }
    void use() { RL_ASSERT(block($) == 1); }
    void release(bool runs) {
        if (P::reference_give_up(&references, &waiters, runs)) {
            RL_ASSERT(freed($) == 0);
            freed($) = 1;
            block($) = 0;
        }
    }
    void run() {
        use();
        bool hands_on = rl::rand(2) == 0;
        if (hands_on)
            references.fetch_add(TASK_REFERENCE, rl::mo_relaxed, $);
        use();
        handed.store(hands_on ? 1 : 2, rl::mo_release, $);
        bool owed;
        P::waitlist_close_empty(&waiters, &owed);
        if (owed)
            release(true);
    }
    void thread(unsigned index) {
        if (index == 0) {
            run();
        } else if (index == 1) {
            use();
            release(true);
        } else {
            int got;
            while ((got = handed.load(rl::mo_acquire, $)) == 0)
                rl::yield(1, $);
            if (got == 1) {
                use();
                release(true);
            }
        }
    }
    void after() { RL_ASSERT(freed($) == 1); }
};

int main() {
    int wrong = search<Reference<Sound>>("references", true, 500000);
    wrong += search<Reference<CountFirst>>("references, mutant: the count before the end", false, 300000);
    wrong += search<Reference<NoAcquire>>("references, mutant: nothing is acquired", false, 300000);
    return wrong;
}
