// request.cpp: no child stays in a private end while those sleep who were promised it.
#include "owner.h"

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

// Each with sched/park.c over it.
struct SoundPool : Sound {
    virtual bool membarrier_all() { return ::membarrier_all(); }
#include "park.h"
};
struct KernelsPool : Kernels {
    bool membarrier_all() { return membarrier_of_all_cpus(); }
#include "park.h"
};
struct NoLightPool : NoLight {
    bool membarrier_all() { return ::membarrier_all(); }
#include "park.h"
};
struct ClearedPool : Cleared {
    bool membarrier_all() { return ::membarrier_all(); }
#include "park.h"
};

// --- mutants: of the sleeper
struct NoBarrier : SoundPool {
    bool membarrier_all() override { return true; }
};
struct AlwaysAlone : SoundPool { // takes it that all others sleep
    bool forked_meanwhile(task_pool *, bool) override { return false; }
};
struct LookFirst : SoundPool { // before the request
    bool found[4];
    void sleep_push_owner(struct sleep_list *list, struct sleeper *s) override {
        SoundPool::sleep_push_owner(list, s);
        worker *w = reinterpret_cast<worker *>(reinterpret_cast<char *>(s) - offsetof(worker, sleeper));
        found[rl::thread_index()] = SoundPool::forked_meanwhile(w->pool, false);
    }
    bool forked_meanwhile(task_pool *, bool) override { return found[rl::thread_index()]; }
};

// --- of the owner
struct SleepersForgotten : SoundPool {
    bool idle_has_sleepers(struct idle *) override { return false; }
};

// What an owner does who is asked: as in sched/child.c.
template <class P, class Owner> void answer_request(P *p, typename P::worker *w, Owner *owner) {
    uint32_t half = (P::private_size_owner(&owner->end) + 1) / 2;
    if (half > 0)
        owner->give(half);
    if (p->idle_pushed_owner(&w->pool->idle, &w->a_epoch))
        p->vti_pool_wake_one(w->pool);
    p->request_met_owner(&owner->end, &w->pool->idle, owner->published() >= 1);
}

// An owner who forks and then is silent, or joins; workers who search and sleep. A child that is left to those who sleep
// is a deadlock.
template <class P, int workers, kernel_mood mood, bool silent>
struct Requests : rl::test_suite<Requests<P, workers, mood, silent>, 1 + workers>,
                  P,
                  Owner<P, Requests<P, workers, mood, silent>> {
    static int const forks = 3;
    typename P::task_pool pool;
    typename P::worker worker[1 + workers]; // the owner is the first
    typename P::private_end empty;          // the others'
    rl::atomic<int> runs;

    void before() {
        this->begin(mood, true);
        P::pool_begin(&pool, worker, 1 + workers);
        empty.slots = this->slots;
        P::private_init(&empty, true);
        for (auto &w : worker)
            w.private_of = &w == worker ? &this->end : &empty;
        runs($) = 0;
    }
    int vti_ring_size(typename P::queue *ring) override { return ring == &worker[0].ring ? this->published() : 0; }
    bool vti_inbox_has_any(typename P::queue *) override { return false; }

    void ran() {
        if (runs.fetch_add(1, rl::mo_acq_rel, $) + 1 < forks)
            return;
        P::vti_mutex_lock(&pool.lock);
        store_rel(&pool.a_drained, 1u);
        P::wake_all(&pool);
        P::vti_mutex_unlock(&pool.lock);
    }
    void answer() { answer_request<P>(this, worker, this); }
    vt_child *search() {
        vt_child *c = this->claim_any();
        if (c == nullptr)
            c = P::private_take_any(&this->end, rl::rand(2) == 0);
        if (c == nullptr)
            P::private_ask_any(&this->end);
        return c;
    }
    void work(int i) { // as in sched/worker.c
        for (;;) {
            vt_child *c;
            P::idle_begin_search(&pool.idle);
            while ((c = search()) == nullptr) {
                if (!P::vti_worker_park(&worker[i]))
                    return;
            }
            if (P::idle_end_search(&pool.idle) && P::vti_pool_has_work(&pool))
                P::vti_pool_wake_one(&pool);
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
            work(static_cast<int>(index));
        }
    }
};

// All sleep, and are woken for jobs from outside: each forks, and is silent until the other one has run the child.
template <class P> struct Rounds : rl::test_suite<Rounds<P>, 3>, P {
    struct Hand : Owner<P, Hand> {
        Rounds *rounds;
        typename P::worker *worker;
        void answer() { answer_request<P>(rounds, worker, this); }
        void ran() {}
    };
    static int const jobs = 2;
    typename P::task_pool pool;
    typename P::worker worker[2];
    Hand hand[2];
    rl::atomic<int> ended;

    void before() {
        P::pool_begin(&pool, worker, 2);
        ended($) = 0;
        for (int i = 0; i < 2; i++) {
            hand[i].begin(WORKS, true);
            hand[i].rounds = this;
            hand[i].worker = &worker[i];
            worker[i].private_of = &hand[i].end;
        }
    }
    int vti_ring_size(typename P::queue *ring) override { return hand[ring == &worker[1].ring].published(); }

    void run_job(Hand *mine) {
        mine->fork();
        while (mine->live[0]->done.load(rl::mo_acquire, $) == 0)
            rl::yield(1, $);
        mine->join_all();
        ended.store(ended.load(rl::mo_relaxed, $) + 1, rl::mo_relaxed, $);
    }
    /* True: there was a job or a child, and the search is over. */
    bool search(Hand *mine, Hand *other) {
        bool job = P::queue_take(&pool.inbox);
        vt_child *c = job ? nullptr : other->claim_any();
        if (!job && c == nullptr)
            c = P::private_take_any(&other->end, rl::rand(2) == 0);
        if (!job && c == nullptr) {
            P::private_ask_any(&other->end);
            return false;
        }
        if (P::idle_end_search(&pool.idle) && P::vti_pool_has_work(&pool))
            P::vti_pool_wake_one(&pool);
        if (job) {
            run_job(mine);
        } else {
            other->run_stolen(c);
        }
        return true;
    }
    void work(int i) {
        for (;;) {
            P::idle_begin_search(&pool.idle);
            while (!search(&hand[i], &hand[1 - i])) {
                if (!P::vti_worker_park(&worker[i]))
                    return;
            }
        }
    }
    void push_and_close() {
        for (int i = 0; i < jobs; i++) {
            for (int n = 40 * rl::rand(4); n > 0 && pool.sleepers.length < 2; n--)
                rl::yield(1, $); // all may sleep by now
            P::queue_push(&pool.inbox);
            if (P::idle_pushed_any(&pool.idle, &pool.a_inbox_epoch))
                P::vti_pool_wake_one(&pool);
            while (ended.load(rl::mo_relaxed, $) <= i)
                rl::yield(1, $);
        }
        P::vti_mutex_lock(&pool.lock);
        pool.closing = true;
        P::vti_mutex_unlock(&pool.lock);
        P::vti_pool_wake_one(&pool);
    }
    void thread(unsigned index) {
        if (index < 2) {
            work(static_cast<int>(index));
        } else {
            push_and_close();
        }
    }
};

int main() {
    unsigned const n = 60000, mutant = 200000;
    int wrong = search<Requests<SoundPool, 1, WORKS, true>>("requests, a silent owner", true, n);
    wrong += search<Requests<SoundPool, 2, WORKS, true>>("requests, a silent owner, two workers", true, n);
    wrong += search<Requests<SoundPool, 2, WORKS, false>>("requests, an owner who joins", true, n);
    wrong += search<Requests<KernelsPool, 2, WORKS, true>>("requests, the kernel's barrier", true, n);
    wrong += search<Requests<KernelsPool, 2, NEVER, true>>("requests, no membarrier", true, n);
    wrong += search<Requests<SoundPool, 2, REFUSES, false>>("requests, refused later, an owner who joins", true, n);
    wrong += search<Rounds<SoundPool>>("requests, all sleep between jobs", true, n);
    // The fork that is under way when the kernel refuses is not promised to a sleeper: its owner runs it, or is asked at
    // its next fork or join. If it is silent from then on, the child waits for it.
    wrong += search<Requests<SoundPool, 1, REFUSES, true>>("requests, the gap: refused, then a silent owner", false,
                                                           mutant);
    wrong += search<Requests<NoLightPool, 1, WORKS, true>>("requests, mutant: no light barrier", false, mutant);
    wrong += search<Requests<ClearedPool, 1, NEVER, true>>("requests, mutant: cleared, no membarrier", false, mutant);
    wrong += search<Requests<NoBarrier, 1, WORKS, true>>("requests, mutant: a sleeper without membarrier", false, mutant);
    wrong += search<Requests<AlwaysAlone, 1, WORKS, true>>("requests, mutant: always alone", false, mutant);
    wrong += search<Rounds<AlwaysAlone>>("requests, mutant: always alone, rounds", false, mutant);
    wrong += search<Requests<LookFirst, 1, WORKS, true>>("requests, mutant: the look before the request", false, mutant);
    wrong += search<Requests<SleepersForgotten, 1, WORKS, true>>("requests, mutant: no look at the sleepers", false,
                                                                 mutant);
    return wrong;
}
