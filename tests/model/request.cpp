// request.cpp: no child stays in a private end while those sleep who were promised it.
#include "owner.h"

struct Idle {
#include "sched/idle.h"
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
        bool fresh = P::private_ask_any(&this->end);
        bool ordered = without == SLEEPERS_BARRIER || barrier_of<P>();
        return P::private_has_any(&this->end) || (fresh && !ordered);
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

int main() {
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
