// ticket.cpp: a published child is run exactly once, and nobody follows a pointer to a child that was joined.
#include "model.h"

struct vt_child {
    rl::var<int> runs;   // written by whoever runs it
    rl::var<int> joined; // its frame may be gone
};

struct Sound {
#include "sched/ticket.h"
};

// The owner looks, then takes: no CAS.
#undef VTI_SCHED_TICKET_H
struct NoCas {
#pragma push_macro("cas_acqrel")
#undef cas_acqrel
#define cas_acqrel(p, expected, v) (load_acq(p) == *(expected) && (store_rel(p, v), true))
#include "sched/ticket.h"
#pragma pop_macro("cas_acqrel")
};

// The thief looks, then takes: no exchange.
#undef VTI_SCHED_TICKET_H
struct NoExchange {
#pragma push_macro("exchange_acqrel")
#undef exchange_acqrel
    template <class W, class V> static V take(W *p, V v) {
        V found = load_acq(p);
        store_rel(p, v);
        return found;
    }
#define exchange_acqrel(p, v) take(p, v)
#include "sched/ticket.h"
#pragma pop_macro("exchange_acqrel")
};

// An owner forks two children one after the other, each published by the same ticket as soon as a thief has given it
// back; a thief takes what the ring shows it. Done is the child's word (sched/child.c), on which the owner waits.
template <class P> struct Ticket : rl::test_suite<Ticket<P>, 2> {
    static int const children = 2;
    vt_child child[children];
    rl::atomic<vt_child *> a_child;
    rl::atomic<int> ring; // tickets that were pushed and not dequeued: 0 or 1
    rl::atomic<int> done[children];

    void before() {
        a_child($) = nullptr;
        ring($) = 0;
        for (int i = 0; i < children; i++) {
            child[i].runs($) = 0;
            child[i].joined($) = 0;
            done[i]($) = 0;
        }
    }

    void run(vt_child *c) {
        RL_ASSERT(c->joined($) == 0);
        c->runs($) = c->runs($) + 1;
    }

    void fork_and_join(int i) {
        bool published = ring.load(rl::mo_acquire, $) == 0;
        if (published) {
            store_rlx(&a_child, &child[i]);
            ring.store(1, rl::mo_release, $);
        }
        if (!published || P::ticket_claim_owner(&a_child, &child[i])) {
            run(&child[i]);
        } else {
            while (done[i].load(rl::mo_acquire, $) == 0)
                rl::yield(1, $);
        }
        RL_ASSERT(child[i].runs($) == 1);
        child[i].joined($) = 1;
    }

    void steal() {
        if (ring.load(rl::mo_acquire, $) == 0) {
            return;
        }
        vt_child *c = P::ticket_claim_thief(&a_child);
        ring.store(0, rl::mo_release, $); // given back, and used again at once
        if (c != nullptr) {
            run(c);
            done[c - child].store(1, rl::mo_release, $);
        }
    }

    void thread(unsigned index) {
        for (int i = 0; i < children; i++) {
            if (index == 0) {
                fork_and_join(i);
            } else {
                steal();
            }
        }
    }
};

int main() {
    int wrong = search<Ticket<Sound>>("ticket", true, 300000);
    wrong += search<Ticket<NoCas>>("ticket, mutant: the owner claims without CAS", false, 300000);
    wrong += search<Ticket<NoExchange>>("ticket, mutant: the thief claims without exchange", false, 300000);
    return wrong;
}
