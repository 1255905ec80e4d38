// claim.cpp: of all copies of a pending value-task one takes the ticket; a reset meets no await.
#include "model.h"

struct Sound {
#include "task/claim.h"
};

// A ticket is taken by a look and a store.
#undef VTI_TASK_CLAIM_H
struct NoCas {
#pragma push_macro("cas_acqrel")
#undef cas_acqrel
#define cas_acqrel(p, expected, v) (load_acq(p) == *(expected) && (store_rel(p, v), true))
#include "task/claim.h"
#pragma pop_macro("cas_acqrel")
};

// The end of an await is not a release: the reset overwrites what is being read.
#undef VTI_TASK_CLAIM_H
struct NoRelease {
#pragma push_macro("sub_acqrel")
#undef sub_acqrel
#define sub_acqrel(p, v) (p)->fetch_sub((v), rl::mo_relaxed, $)
#include "task/claim.h"
#pragma pop_macro("sub_acqrel")
};

// Two threads await copies of one value-task over a complete source, while its owner resets it for its next use. One found
// it complete: it reads before it takes the ticket (LATE, a mutant: after). The other began before that: it is under way.
template <class P, bool LATE = false> struct Claim : rl::test_suite<Claim<P, LATE>, 3> {
    atomic_u64 word;
    atomic_u32 hint;
    uint64_t ticket;
    rl::var<int> outcome;       // read by the await under way
    rl::atomic<int> any_outcome; // the same, read by who may come late
    rl::atomic<int> winners, resets;

    void before() {
        word($) = 0;
        hint($) = 0;
        winners($) = 0;
        resets($) = 0;
        outcome($) = 7;
        any_outcome($) = 7;
        RL_ASSERT(P::claim_issue(&word, &hint, &ticket) == P::CLAIM_TAKEN);
    }

    void count(typename P::claim_result result) {
        if (result == P::CLAIM_TAKEN)
            winners.fetch_add(1, rl::mo_relaxed, $);
        if (result == P::CLAIM_GENERATION)
            resets.fetch_add(1, rl::mo_relaxed, $);
    }

    void await_complete() {
        int read = any_outcome.load(rl::mo_relaxed, $);
        typename P::claim_result result = P::claim_take(&word, ticket, 0);
        if (LATE)
            read = any_outcome.load(rl::mo_relaxed, $);
        count(result);
        RL_ASSERT(result != P::CLAIM_TAKEN || read == 7);
    }

    void await_under_way() {
        typename P::claim_result result = P::claim_take(&word, ticket, (uint64_t)1 << 32);
        count(result);
        if (result == P::CLAIM_TAKEN) {
            RL_ASSERT(outcome($) == 7);
            P::claim_end(&word);
        }
    }

    void reset() {
        if (P::claim_reset_begin(&word)) {
            P::claim_reset_end(&word);
            outcome($) = 8;
            any_outcome.store(8, rl::mo_relaxed, $);
            uint64_t again;
            RL_ASSERT(P::claim_issue(&word, &hint, &again) == P::CLAIM_TAKEN);
            RL_ASSERT(again != ticket);
        }
    }

    void thread(unsigned index) {
        if (index == 0) {
            await_complete();
        } else if (index == 1) {
            await_under_way();
        } else {
            reset();
        }
    }

    void after() {
        int won = winners.load(rl::mo_relaxed, $);
        RL_ASSERT(won == 1 || (won == 0 && resets.load(rl::mo_relaxed, $) == 2));
    }
};

int main() {
    int wrong = search<Claim<Sound>>("claim", true, 300000);
    wrong += search<Claim<Sound, true>>("claim, mutant: the outcome is read after the ticket is taken", false, 300000);
    wrong += search<Claim<NoCas>>("claim, mutant: no CAS", false, 300000);
    wrong += search<Claim<NoRelease>>("claim, mutant: the await's end is relaxed", false, 300000);
    return wrong;
}
