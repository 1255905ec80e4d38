// word.cpp: of all that come to one struct exactly one has the value-task; the others learn whose claim stands.
#include "model.h"

struct Sound {
#include "task/word.h"
};

// The word is claimed by an exchange: a loser erases what it found.
#undef VTI_TASK_WORD_H
struct Exchange {
#pragma push_macro("cas_acqrel")
#undef cas_acqrel
#define cas_acqrel(p, expected, v) ((p)->exchange((v), rl::mo_acq_rel, $) == *(expected))
#include "task/word.h"
#pragma pop_macro("cas_acqrel")
};

// Who it was is told by a relaxed store.
#undef VTI_TASK_WORD_H
struct NoRelease {
#pragma push_macro("store_rel")
#undef store_rel
#define store_rel(p, v) (p)->store((v), rl::mo_relaxed, $)
#include "task/word.h"
#pragma pop_macro("store_rel")
};

template <class P> struct Word : rl::test_suite<Word<P>, 3> {
    atomic_u64 word;
    rl::var<uint64_t> value; // 7, then 100 + the winner
    rl::atomic<int> winners;

    void before() {
        word($) = P::word_make(P::VT_READY, P::VT_VALUE, 0);
        value($) = 7;
        winners($) = 0;
    }

    void thread(unsigned index) {
        uint64_t found, me = 100 + index;
        if (P::word_claim(&word, &found, P::VT_AWAITING, me)) {
            RL_ASSERT(value($) == 7);
            RL_ASSERT(winners.fetch_add(1, rl::mo_relaxed, $) == 0);
            value($) = me;
            P::word_tell(&word, P::VT_CONSUMED, P::VT_VALUE, me);
            return;
        }
        uint64_t winner = P::word_payload(found);
        RL_ASSERT(winner >= 100 && winner != me);
        if ((found & WORD_KNOWN) != 0) {
            RL_ASSERT(value($) == winner);
        }
    }

    void after() { RL_ASSERT(winners.load(rl::mo_relaxed, $) == 1); }
};

int main() {
    int wrong = search<Word<Sound>>("word", true, 300000);
    wrong += search<Word<Exchange>>("word, mutant: an exchange", false, 300000);
    wrong += search<Word<NoRelease>>("word, mutant: told by a relaxed store", false, 300000);
    return wrong;
}
