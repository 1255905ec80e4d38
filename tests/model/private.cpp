// private.cpp: every child of a worker's private end is run exactly once, and none stays there while somebody sleeps who
// was promised it.
//
// The light barrier and the membarrier are the two ends of one asymmetric pair, which orders as two full fences would;
// so both are one here. Where that says too much (a light barrier alone orders nothing that another CPU sees), a second
// kind of machine says what the kernel does: the light barrier is nothing, the membarrier a fence on every thread.
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

struct Idle {
#include "sched/idle.h"
};

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

// The thief's membarrier does nothing.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct NoMembarrier {
#define membarrier_all() true
#include "vtask/worker.h"

#include "sched/private.h"
#undef membarrier_all
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

// Requests are cleared although there is no membarrier.
#undef VTASK_WORKER_H
#undef VTI_SCHED_PRIVATE_H
struct Cleared {
#include "vtask/worker.h"

#define private_answered_owner private_answered_by_works
#include "sched/private.h"
#undef private_answered_owner
    static bool private_answered_owner(struct private_end *p) {
        store_seq(&p->inlined.limit, p->slots + PRIVATE_SLOTS);
        return true;
    }
};

// The sleeper's.
template <class P> bool barrier_of() { return membarrier_all(); }
template <> bool barrier_of<Kernels>() { return membarrier_of_all_cpus(); }
template <> bool barrier_of<NoMembarrier>() { return true; }

// An owner, and what it does: lib/sched/child.c without the words of children and the ring (a ticket is on its child).
template <class P, class Test> struct Owner {
    static int const most = PRIVATE_SLOTS + 1;
    kernel kernel_;
    typename P::private_end end;
    vt_child child[most];
    vt_child *live[most];
    int lives;

    void begin(kernel_mood mood, bool asked) {
        kernel_.mood = mood;
        kernel_.a_works($) = mood != NEVER;
        the_kernel = &kernel_;
        lives = 0;
        end.none($) = nullptr;
        for (auto &slot : end.slots)
            slot($) = nullptr;
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
            vt_child *c = VTASK_LOAD(&first[i]);
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
            bool mine = P::private_remove_owner(&end, at);
            c->at = nullptr;
            if (mine)
                c->ticket.store(1, rl::mo_release, $);
        }
        answer_if_asked();
    }
    bool join_slowly(vt_child *c) {
        bool mine = false;
        if (c->at != nullptr) {
            mine = P::private_remove_owner(&end, static_cast<typename P::vtask_slot *>(c->at));
            answer_if_asked();
        }
        return mine || claim(c);
    }
    void join(int which) {
        vt_child *c = live[which];
        live[which] = live[--lives]; /* the order does not matter: a pop looks whether it is the newest */
        if (P::vtask_pop(&end.inlined, VTASK_LOAD(&end.inlined.bottom) - 1, c) || join_slowly(c)) {
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
            P::private_tidy_owner(&end, P::private_lock_owner(&end));
        RL_ASSERT(P::private_bottom(&end) == 0);
        RL_ASSERT(P::boundary_top(load_rlx(&end.a_boundary)) == 0);
    }
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

enum step { NO_STEP, SLEEPERS_BARRIER, LOOK_AT_SLEEPERS };

// An owner who forks and then is silent, or joins; workers who search and sleep, as in sched/park.c and sched/worker.c.
// A child that is left to those who sleep is a deadlock. A mutant leaves out a step.
template <class P, int workers, kernel_mood mood, bool silent, step without = NO_STEP>
struct Requests : rl::test_suite<Requests<P, workers, mood, silent, without>, 1 + workers>,
                  Owner<P, Requests<P, workers, mood, silent, without>> {
    static int const forks = 3, enough = 1;
    Idle::idle idle;
    rl::atomic<uint32_t> epoch;
    rl::atomic<int> runs;
    rl::mutex lock;
    rl::condition_variable wakes[workers];
    rl::var<bool> sleeping[workers], stop;

    void before() {
        this->begin(mood, true);
        idle.a_state($) = 0;
        epoch($) = 0;
        runs($) = 0;
        stop($) = false;
        for (auto &s : sleeping)
            s($) = false;
    }
    void ran() {
        if (runs.fetch_add(1, rl::mo_acq_rel, $) + 1 < forks)
            return;
        lock.lock($);
        stop($) = true;
        for (auto &w : wakes)
            w.notify_one($);
        lock.unlock($);
    }
    void wake_one() {
        lock.lock($);
        for (int i = 0; i < workers; i++) {
            if (sleeping[i]($)) {
                sleeping[i]($) = false;
                Idle::idle_woken(&idle);
                wakes[i].notify_one($);
                break;
            }
        }
        lock.unlock($);
    }
    void answer() {
        uint32_t half = (P::private_size_owner(&this->end) + 1) / 2;
        if (half > 0)
            this->give(half);
        if (Idle::idle_pushed_owner(&idle, &epoch))
            wake_one();
        if ((this->published() >= enough || Idle::idle_is_quiet(&idle)) && P::private_answered_owner(&this->end) &&
            without != LOOK_AT_SLEEPERS && Idle::idle_has_sleepers(&idle))
            P::private_ask_any(&this->end);
    }
    bool has_work() {
        Idle::idle_look(&epoch);
        return this->published() > 0 || P::private_has_any(&this->end);
    }
    bool leave_requests() {
        P::private_ask_any(&this->end);
        if (without != SLEEPERS_BARRIER)
            (void)barrier_of<P>();
        return P::private_has_any(&this->end);
    }
    bool park(int i) { /* false: the end */
        lock.lock($);
        if (stop($)) {
            lock.unlock($);
            return false;
        }
        sleeping[i]($) = true;
        bool last = Idle::idle_fall_asleep(&idle);
        lock.unlock($);
        bool again = leave_requests() || (last && has_work());
        lock.lock($);
        if (again && sleeping[i]($)) {
            sleeping[i]($) = false;
            Idle::idle_woken(&idle);
        }
        while (sleeping[i]($) && !stop($))
            wakes[i].wait(lock, $);
        bool go_on = !stop($);
        lock.unlock($);
        return go_on;
    }
    vt_child *search() {
        vt_child *c = this->claim_any();
        if (c == nullptr)
            c = P::private_take_any(&this->end, rl::rand(2) == 0);
        if (c == nullptr)
            P::private_ask_any(&this->end);
        return c;
    }
    void work(int i) {
        for (;;) {
            vt_child *c;
            Idle::idle_begin_search(&idle);
            while ((c = search()) == nullptr) {
                if (!park(i))
                    return;
            }
            if (Idle::idle_end_search(&idle) && has_work())
                wake_one();
            this->run_stolen(c);
        }
    }
    void own() {
        for (int i = 0; i < forks; i++) {
            this->fork();
            if (!silent && rl::rand(3) == 0)
                this->join(this->one());
        }
        if (!silent)
            this->join_all();
    }
    void thread(unsigned index) {
        if (index == 0) {
            own();
        } else {
            work(static_cast<int>(index) - 1);
        }
    }
};

// A step of sched/private.h and of its callers each, and what the kernel may answer.
static int ends() {
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

static int requests() {
    unsigned const n = 60000, mutant = 200000;
    int wrong = search<Requests<Sound, 1, WORKS, true>>("requests, a silent owner", true, n);
    wrong += search<Requests<Sound, 2, WORKS, true>>("requests, a silent owner, two workers", true, n);
    wrong += search<Requests<Sound, 2, WORKS, false>>("requests, an owner who joins", true, n);
    wrong += search<Requests<Kernels, 2, WORKS, true>>("requests, the kernel's barrier", true, n);
    wrong += search<Requests<Kernels, 2, NEVER, true>>("requests, no membarrier", true, n);
    wrong += search<Requests<Sound, 2, REFUSES, false>>("requests, refused later, an owner who joins", true, n);
    // The fork that is under way when the kernel refuses is not promised to a sleeper: its owner runs it, or is asked at
    // its next fork or join. If it is silent from then on, the child waits for it.
    wrong += search<Requests<Sound, 1, REFUSES, true>>("requests, the gap: refused, then a silent owner", false, mutant);
    wrong += search<Requests<NoLight, 1, WORKS, true>>("requests, mutant: no light barrier", false, mutant);
    wrong += search<Requests<Cleared, 1, NEVER, true>>("requests, mutant: cleared, no membarrier", false, mutant);
    wrong += search<Requests<Sound, 1, WORKS, true, SLEEPERS_BARRIER>>("requests, mutant: a sleeper without membarrier",
                                                                       false, mutant);
    wrong += search<Requests<Sound, 1, WORKS, true, LOOK_AT_SLEEPERS>>("requests, mutant: no look at the sleepers",
                                                                       false, mutant);
    return wrong;
}

int main() { return ends() + requests(); }
