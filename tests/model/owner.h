// owner.h: the product's private end under Relacy, and an owner of one, for private.cpp and request.cpp.
//
// The light barrier and the membarrier are the two ends of one asymmetric pair, which orders as two full fences would;
// so both are one here. Where that says too much (a light barrier alone orders nothing that another CPU sees), a second
// kind of machine says what the kernel does: the light barrier is nothing, the membarrier a fence on every thread.
#ifndef VTI_TESTS_OWNER_H
#define VTI_TESTS_OWNER_H

#include "model.h"

struct vt_child {
    rl::var<int> work;      // its contents: written before the push
    rl::var<int> runs;      // written by whoever runs it
    rl::atomic<int> ticket; // 1: published; 2: claimed
    rl::atomic<int> done;
    void *at; // the owner's
};

// What the kernel answers: a membarrier works, or not, or until some call.
enum kernel_mood { WORKS, NEVER, REFUSES };
struct kernel {
    kernel_mood mood;
    rl::atomic<int> a_works;
};
static kernel *the_kernel;

static bool membarrier_works() { return the_kernel->a_works.load(rl::mo_relaxed, $) != 0; }

static bool kernel_agrees() {
    if (membarrier_works() && the_kernel->mood == REFUSES && rl::rand(2) == 0) {
        the_kernel->a_works.store(0, rl::mo_relaxed, $);
    }
    return membarrier_works();
}

static void full_fence() { rl::atomic_thread_fence(rl::mo_seq_cst, $); }

static bool membarrier_all() {
    bool agrees = kernel_agrees();
    if (agrees) {
        full_fence();
    }
    return agrees;
}

static bool membarrier_of_all_cpus() {
    bool agrees = kernel_agrees();
    if (agrees) {
        rl::systemwide_fence($);
    }
    return agrees;
}

#define PRIVATE_SLOTS 3u
#define VTASK_SHARED(type) rl::atomic<type>
#define VTASK_LOAD(p) (p)->load(rl::mo_relaxed, $)
#define VTASK_STORE(p, v) (p)->store((v), rl::mo_relaxed, $)
#define VTASK_RELEASE(p, v) (p)->store((v), rl::mo_release, $)
#define VTASK_LIGHT_BARRIER() full_fence()

struct Sound {
#include "vtask/worker.h"

#include "sched/private.h"
};

// The kernel's barrier as it is.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct Kernels {
#pragma push_macro("VTASK_LIGHT_BARRIER")
#undef VTASK_LIGHT_BARRIER
#define VTASK_LIGHT_BARRIER() (void)0
#define membarrier_all() membarrier_of_all_cpus()
#include "vtask/worker.h"

#include "sched/private.h"
#undef membarrier_all
#pragma pop_macro("VTASK_LIGHT_BARRIER")
};

// The owner's half is nothing, and the membarrier a fence of its caller only.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct NoLight {
#pragma push_macro("VTASK_LIGHT_BARRIER")
#undef VTASK_LIGHT_BARRIER
#define VTASK_LIGHT_BARRIER() (void)0
#include "vtask/worker.h"

#include "sched/private.h"
#pragma pop_macro("VTASK_LIGHT_BARRIER")
};

// An owner, and what it does: lib/sched/child.c without the words of children and the ring (a ticket is on its child).
template <class P, class Test> struct Owner {
    static int const most = PRIVATE_SLOTS + 1;
    kernel kernel_;
    typename P::private_end end;
    typename P::vtask_slot slots[PRIVATE_SLOTS + 1];
    vt_child child[most];
    vt_child *live[most];
    int lives;

    void begin(kernel_mood mood, bool asked) {
        kernel_.mood = mood;
        kernel_.a_works($) = mood != NEVER;
        the_kernel = &kernel_;
        lives = 0;
        end.slots = slots;
        for (auto &slot : slots)
            slot.child($) = nullptr;
        for (auto &c : child) {
            c.work($) = 0;
            c.runs($) = 0;
            c.ticket($) = 0;
            c.done($) = 0;
        }
        P::private_init(&end, asked);
    }
    void answer() { static_cast<Test *>(this)->answer(); }
    void ran() { static_cast<Test *>(this)->ran(); }

    void run(vt_child *c) {
        RL_ASSERT(c->work($) == 1 && c->runs($) == 0);
        c->runs($) = 1;
        ran();
    }
    void run_stolen(vt_child *c) {
        RL_ASSERT(c->work($) == 1 && c->runs($) == 0);
        c->runs($) = 1;
        c->done.store(1, rl::mo_release, $);
        ran();
    }
    static bool claim(vt_child *c) {
        int published = 1;
        return c->ticket.compare_exchange_strong(published, 2, rl::mo_acq_rel, $);
    }
    vt_child *claim_any() {
        for (auto &c : child) {
            if (c.ticket.load(rl::mo_relaxed, $) == 1 && claim(&c))
                return &c;
        }
        return nullptr;
    }
    int published() {
        int n = 0;
        for (auto &c : child)
            n += c.ticket.load(rl::mo_relaxed, $) == 1;
        return n;
    }
    void give(uint32_t at_most) {
        typename P::vtask_slot *first;
        uint32_t n = P::private_give_owner(&end, at_most, &first);
        for (uint32_t i = 0; i < n; i++) {
            vt_child *c = VTASK_LOAD(&first[i].child);
            if (c != nullptr)
                c->ticket.store(1, rl::mo_release, $); /* the ring's edge */
        }
    }
    void answer_if_asked() {
        if (P::private_is_asked(&end))
            answer();
    }
    void fork() {
        vt_child *c = child;
        while (c->work($) != 0)
            c++;
        live[lives++] = c;
        c->work($) = 1;
        c->ticket.store(0, rl::mo_relaxed, $);
        c->done.store(0, rl::mo_relaxed, $);
        typename P::vtask_slot *at = VTASK_LOAD(&end.inlined.bottom);
        c->at = at;
        if (P::vtask_push(&end.inlined, at, c))
            return;
        if (P::private_bottom(&end) > PRIVATE_SLOTS) {
            bool mine = P::private_remove_owner(&end, at, end.slots);
            c->at = nullptr;
            if (mine)
                c->ticket.store(1, rl::mo_release, $);
        }
        answer_if_asked();
    }
    bool join_slowly(vt_child *c) {
        bool mine = false;
        if (c->at != nullptr) {
            mine = P::private_remove_owner(&end, static_cast<typename P::vtask_slot *>(c->at), end.slots);
            answer_if_asked();
        }
        return mine || claim(c);
    }
    void join(int which) {
        vt_child *c = live[which];
        live[which] = live[--lives]; /* the order does not matter: a pop looks whether it is the newest */
        if (P::vtask_pop(&end.inlined, static_cast<typename P::vtask_slot *>(c->at), c) || join_slowly(c)) {
            run(c);
        } else {
            while (c->done.load(rl::mo_acquire, $) == 0)
                rl::yield(1, $);
        }
        RL_ASSERT(c->runs($) == 1);
        c->runs($) = 0;
        c->work($) = 0;
    }
    /* The newest, most often. */
    int one() { return rl::rand(3) == 0 ? rl::rand(lives) : lives - 1; }

    void join_all() {
        while (lives > 0)
            join(one());
        if (P::private_bottom(&end) > 0)
            P::private_tidy_owner(&end, P::private_lock_owner(&end), end.slots);
        RL_ASSERT(P::private_bottom(&end) == 0);
        RL_ASSERT(P::boundary_top(load_rlx(&end.a_boundary)) == 0);
    }
};

#endif
