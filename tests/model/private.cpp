// private.cpp: every child of a worker's private end is run exactly once, by its owner or by one thief, who sees all that
// was written before the push.
#include "owner.h"

// The thief's membarrier does nothing.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct NoMembarrier {
#define membarrier_all() true
#include "vtask/worker.h"

#include "sched/private.h"
#undef membarrier_all
};

// A lock and its unlock leave the tag as it was.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct TagKept {
#pragma push_macro("store_rel")
#undef store_rel
#define store_rel(p, v) (p)->store((v)-2 * BOUNDARY_TAG, rl::mo_release, $)
#include "vtask/worker.h"

#include "sched/private.h"
#pragma pop_macro("store_rel")
};

// Not a mutant, but less than the product does: the unlock and the take leave the tag to the next lock.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct TagOfLock {
#pragma push_macro("store_rel")
#pragma push_macro("cas_acqrel")
#undef store_rel
#undef cas_acqrel
    static uint64_t changed(uint64_t v) { return (v & ((uint64_t)1 << 31)) != 0 ? v : v - ((uint64_t)1 << 32); }
#define store_rel(p, v) (p)->store((v)-BOUNDARY_TAG, rl::mo_release, $)
#define cas_acqrel(p, expected, v) (p)->compare_exchange_strong(*(expected), changed(v), rl::mo_acq_rel, $)
#include "vtask/worker.h"

#include "sched/private.h"
#pragma pop_macro("cas_acqrel")
#pragma pop_macro("store_rel")
};

// The guard is lowered once more, behind the tag.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct GuardAfterTag {
#pragma push_macro("store_rel")
#undef store_rel
#define store_rel(w, v)                 \
    (w)->store((v), rl::mo_release, $); \
    VTASK_STORE(&p->inlined.guard, works ? p->slots + top : private_infinity(p))
#include "vtask/worker.h"

#include "sched/private.h"
#pragma pop_macro("store_rel")
};

// What was open stays open, although the guard is lowered.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct OpenKept {
#pragma push_macro("store_rel")
#undef store_rel
#define store_rel(p, v) (p)->store((v) | (locked & BOUNDARY_OPEN), rl::mo_release, $)
#include "vtask/worker.h"

#include "sched/private.h"
#pragma pop_macro("store_rel")
};

// The boundary is changed by a look and a store.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct NoCas {
#pragma push_macro("cas_acqrel")
#undef cas_acqrel
    static bool change(atomic_u64 *p, uint64_t *expected, uint64_t v) {
        uint64_t found = load_acq(p);
        bool same = found == *expected;
        *expected = found;
        if (same) {
            store_rel(p, v);
        }
        return same;
    }
#define cas_acqrel(p, expected, v) change((p), (expected), (v))
#include "vtask/worker.h"

#include "sched/private.h"
#pragma pop_macro("cas_acqrel")
};

// Bottom carries nothing. (That a pop's must is C11's rule alone: Relacy, as C++11 did, lets what the same thread stores
// later carry what an earlier push released.)
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct NoRelease {
#pragma push_macro("VTASK_RELEASE")
#undef VTASK_RELEASE
#define VTASK_RELEASE(p, v) VTASK_STORE(p, v)
#include "vtask/worker.h"

#include "sched/private.h"
#pragma pop_macro("VTASK_RELEASE")
};

// An owner who forks, joins in any order and gives; thieves who take its oldest, by force and otherwise, and ask.
template <class P, int thieves, kernel_mood mood>
struct Ends : rl::test_suite<Ends<P, thieves, mood>, 1 + thieves>, Owner<P, Ends<P, thieves, mood>> {
    void before() { this->begin(mood, false); }
    void ran() {}
    void answer() {
        this->give(1 + rl::rand(2));
        P::private_answered_owner(&this->end);
    }
    void own() {
        this->fork();
        for (int i = 0; i < 6; i++) {
            int what = rl::rand(7);
            if (what < 3 && this->lives < this->most) {
                this->fork();
            } else if (what == 6) {
                this->give(1 + rl::rand(2));
            } else if (what >= 3 && this->lives > 0) {
                this->join(this->one());
            }
        }
        this->join_all();
    }
    void steal() {
        for (int i = 0; i < 3; i++) {
            vt_child *c = P::private_take_any(&this->end, rl::rand(3) != 0);
            if (c == nullptr)
                c = this->claim_any();
            if (c != nullptr) {
                this->run_stolen(c);
            } else if (rl::rand(4) == 0) {
                P::private_ask_any(&this->end);
            }
        }
    }
    void thread(unsigned index) {
        if (index == 0) {
            own();
        } else {
            steal();
        }
    }
};

int main() {
    unsigned const n = 60000, mutant = 200000;
    int wrong = search<Ends<Sound, 1, WORKS>>("private", true, n);
    wrong += search<Ends<Sound, 2, WORKS>>("private, two thieves", true, n);
    wrong += search<Ends<Kernels, 2, WORKS>>("private, the kernel's barrier", true, n);
    wrong += search<Ends<Kernels, 2, NEVER>>("private, no membarrier", true, n);
    wrong += search<Ends<Sound, 2, REFUSES>>("private, refused later", true, n);
    wrong += search<Ends<Kernels, 2, REFUSES>>("private, refused later, the kernel's barrier", true, n);
    wrong += search<Ends<TagOfLock, 2, WORKS>>("private, the lock alone changes the tag", true, n);
    wrong += search<Ends<NoMembarrier, 1, WORKS>>("private, mutant: no membarrier", false, mutant);
    wrong += search<Ends<NoLight, 1, WORKS>>("private, mutant: no light barrier", false, mutant);
    wrong += search<Ends<TagKept, 1, WORKS>>("private, mutant: lock and unlock keep the tag", false, mutant);
    wrong += search<Ends<GuardAfterTag, 1, WORKS>>("private, mutant: guard lowered after the tag", false, mutant);
    wrong += search<Ends<OpenKept, 1, WORKS>>("private, mutant: OPEN kept", false, mutant);
    wrong += search<Ends<NoCas, 1, WORKS>>("private, mutant: no CAS", false, mutant);
    wrong += search<Ends<NoRelease, 1, WORKS>>("private, mutant: push without release", false, mutant);
    return wrong;
}
