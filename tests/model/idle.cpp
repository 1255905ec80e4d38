// idle.cpp: no wake-up is lost between a pusher that finds nobody to wake and a worker that goes to sleep: the word alone,
// over condition variables. park.cpp has the sleep itself.
#include "model.h"

struct Sound {
#include "sched/idle.h"
};

// The pusher's look at the word is no longer ordered behind its push.
#undef VTI_SCHED_IDLE_H
struct NoOrder {
#undef load_seq
#undef store_seq
#define load_seq(p) (p)->load(rl::mo_acquire, $)
#define store_seq(p, v) (p)->store((v), rl::mo_release, $)
#include "sched/idle.h"
#undef load_seq
#undef store_seq
#define load_seq(p) (p)->load(rl::mo_seq_cst, $)
#define store_seq(p, v) (p)->store((v), rl::mo_seq_cst, $)
};

// What sched/park.c and the search of sched/worker.c do around the word. A mutant leaves out the last look before sleep, or the
// waking.
template <class P, bool look_again, bool wake_nobody>
struct Idle : rl::test_suite<Idle<P, look_again, wake_nobody>, 3> {
    static int const workers = 2, jobs = 2;
    typename P::idle idle;
    rl::atomic<uint32_t> epoch;
    rl::atomic<int> pushed, taken;
    rl::mutex lock;
    rl::condition_variable wakes[workers];
    rl::var<bool> sleeping[workers], stop;

    void before() {
        idle.a_state($) = 0;
        epoch($) = 0;
        pushed($) = 0;
        taken($) = 0;
        stop($) = false;
        for (int i = 0; i < workers; i++)
            sleeping[i]($) = false;
    }
    void wake_one() {
        lock.lock($);
        for (int i = 0; i < workers; i++) {
            if (sleeping[i]($)) {
                sleeping[i]($) = false;
                P::idle_woken(&idle);
                wakes[i].notify_one($);
                break;
            }
        }
        lock.unlock($);
    }
    void push(int n) {
        pushed.store(n, rl::mo_relaxed, $); /* the epoch carries it */
        if (P::idle_pushed_owner(&idle, &epoch) && !wake_nobody)
            wake_one();
    }
    bool has_work() {
        P::idle_look(&epoch);
        return taken.load(rl::mo_relaxed, $) < pushed.load(rl::mo_relaxed, $);
    }
    bool take() {
        int n = taken.load(rl::mo_relaxed, $);
        return n < pushed.load(rl::mo_relaxed, $) && taken.compare_exchange_strong(n, n + 1, rl::mo_acq_rel, $);
    }
    void end_if_last() {
        if (taken.load(rl::mo_acquire, $) < jobs)
            return;
        lock.lock($);
        stop($) = true;
        for (int i = 0; i < workers; i++)
            wakes[i].notify_one($);
        lock.unlock($);
    }
    bool park(int i) { /* false: the end */
        lock.lock($);
        if (stop($)) {
            lock.unlock($);
            return false;
        }
        sleeping[i]($) = true;
        bool last = P::idle_fall_asleep(&idle);
        lock.unlock($);
        bool again = look_again && last && has_work();
        lock.lock($);
        if (again && sleeping[i]($)) {
            sleeping[i]($) = false;
            P::idle_woken(&idle);
        }
        while (sleeping[i]($) && !stop($))
            wakes[i].wait(lock, $);
        bool go_on = !stop($);
        lock.unlock($);
        return go_on;
    }
    void work(int i) {
        for (;;) {
            P::idle_begin_search(&idle);
            while (!take()) {
                if (!park(i))
                    return;
            }
            if (P::idle_end_search(&idle) && has_work())
                wake_one();
            end_if_last();
        }
    }
    void thread(unsigned index) {
        if (index < workers) {
            work(static_cast<int>(index));
        } else {
            push(1);
            push(2);
        }
    }
};

int main() {
    int wrong = search<Idle<Sound, true, false>>("idle", true, 500000);
    wrong += search<Idle<NoOrder, true, false>>("idle, mutant: acquire and release only", false, 400000);
    wrong += search<Idle<Sound, false, false>>("idle, mutant: no last look before sleep", false, 400000);
    wrong += search<Idle<Sound, true, true>>("idle, mutant: nobody is woken", false, 400000);
    return wrong;
}
