// park.cpp: sched/park.c over Relacy's futex: no wake-up is lost, none ends a later sleep, and a closing pool ends.
#include "model.h"

// Without children.
struct NoEnds {
    struct private_end {};
    static bool private_ask_any(private_end *) { return false; }
    static bool private_has_any(private_end *) { return false; }
    static bool private_answered_owner(private_end *) { return false; }
    static bool membarrier_all() { return true; }
};

struct Sound : NoEnds {
#include "park.h"
};

// --- mutants: of the word
struct NoOrder : Sound {
    bool idle_wants_wake(struct idle *i) override {
        uint32_t state = load_acq(&i->a_state);
        return state >= IDLE_SLEEPER && (state & IDLE_SEARCHERS) == 0;
    }
    bool idle_pushed_any(struct idle *i, rl::atomic<uint32_t> *a_epoch) override {
        (void)add_acqrel(a_epoch, 1u);
        return idle_wants_wake(i);
    }
    bool idle_fall_asleep(struct idle *i) override {
        return (i->a_state.fetch_add(IDLE_SLEEPER - IDLE_SEARCHER, rl::mo_acq_rel, $) & IDLE_SEARCHERS) == IDLE_SEARCHER;
    }
    void idle_look(rl::atomic<uint32_t> *a_epoch) override { (void)load_acq(a_epoch); }
};
struct NobodyWoken : Sound {
    bool idle_wants_wake(struct idle *) override { return false; }
};
struct NoLastLook : Sound {
    bool queue_has_any(queue *) override { return false; }
};

// --- of the sleep
struct Cleared : Sound { // after it was listed, and without the lock
    void sleep_push_owner(struct sleep_list *list, struct sleeper *s) override {
        s->next = list->first;
        list->first = s;
        list->length++;
    }
    void sleep_until_woken_owner(struct sleeper *s) override {
        store_rlx(&s->a_wake, 0);
        Sound::sleep_until_woken_owner(s);
    }
};
struct WakeFirst : Sound {
    void sleep_wake(struct sleeper *s) override {
        rl::rl_futex(&s->a_wake, rl::RL_FUTEX_WAKE, 1, 0, 0, 0, $);
        store_rel(&s->a_wake, 1);
    }
};
struct NoFutexWake : Sound {
    void sleep_wake(struct sleeper *s) override { store_rel(&s->a_wake, 1); }
};
struct NoEdge : Sound { // [W1]
    void sleep_wake(struct sleeper *s) override {
        store_rlx(&s->a_wake, 1);
        rl::rl_futex(&s->a_wake, rl::RL_FUTEX_WAKE, 1, 0, 0, 0, $);
    }
};
struct Hasty : Sound { // does not await the late wake
    void unpark(task_pool *pool, worker *w) override {
        vti_mutex_lock(&pool->lock);
        if (sleep_remove_owner(&pool->sleepers, &w->sleeper))
            idle_woken(&pool->idle);
        vti_mutex_unlock(&pool->lock);
    }
};

// --- of the end
struct ClosingEarly : Sound { // read before the worker is listed
    bool closing[4];
    void vti_mutex_lock(pool_lock *lock) override {
        closing[rl::thread_index()] = lock->pool->closing;
        Sound::vti_mutex_lock(lock);
    }
    void drain_if_last(task_pool *pool) override {
        if (closing[rl::thread_index()])
            Sound::drain_if_last(pool);
    }
};
struct ClosingUnseen : Sound {
    void drain_if_last(task_pool *) override {}
};
struct NotAll : Sound { // drained, though somebody is awake
    bool all_sleep(task_pool *) override { return true; }
};
struct SparesForgotten : Sound {
    void wake_all(task_pool *pool) override {
        struct sleeper *s;
        while ((s = vti_pool_pop_sleeper(pool)) != NULL)
            sleep_wake(s);
    }
};

// Workers, and a thread outside that pushes and closes. The first job queues another one where it runs. `surplus` of the
// workers are too many: they retire after a job.
template <class P, int workers, int surplus = 0>
struct Park : rl::test_suite<Park<P, workers, surplus>, workers + 1>, P {
    static int const jobs = 2, all = jobs + 1;
    typename P::task_pool pool;
    typename P::worker worker[workers];
    rl::var<int> carried[workers]; // by [W1]: the waker's
    rl::atomic<int> run, all_run;

    void before() {
        P::pool_begin(&pool, worker, workers);
        pool.a_surplus($) = surplus;
        run($) = all_run($) = 0;
        for (auto &c : carried)
            c($) = 0;
    }
    void after() { RL_ASSERT(run($) == all); }

    void sleep_wake(typename P::sleeper *s) override {
        for (int i = 0; i < workers; i++) {
            if (s == &worker[i].sleeper)
                carried[i]($) = 1;
        }
        P::sleep_wake(s);
    }
    void sleep_until_woken_owner(typename P::sleeper *s) override {
        P::sleep_until_woken_owner(s);
        RL_ASSERT(!P::is_listed(&pool, s)); // the wake was of this sleep
        for (int i = 0; i < workers; i++) {
            if (s == &worker[i].sleeper)
                carried[i]($) = 0;
        }
    }

    // As in sched/worker.c.
    bool look(int i) {
        bool found = P::queue_take(&worker[i].ring) || P::queue_take(&pool.inbox);
        for (int n = 1; !found && n < workers; n++)
            found = P::queue_take(&worker[(i + n) % workers].ring);
        return found;
    }
    bool search(int i) {
        P::idle_begin_search(&pool.idle);
        while (!look(i)) {
            if (!P::vti_worker_park(&worker[i]))
                return false;
        }
        if (P::idle_end_search(&pool.idle) && P::vti_pool_has_work(&pool))
            P::vti_pool_wake_one(&pool);
        return true;
    }
    void run_job(int i) {
        int before = run.fetch_add(1, rl::mo_acq_rel, $);
        if (before == 0) {
            P::queue_push(&worker[i].ring);
            if (P::idle_pushed_owner(&pool.idle, &worker[i].a_epoch))
                P::vti_pool_wake_one(&pool);
        }
        if (before == all - 1) {
            all_run.store(1, rl::mo_release, $);
            rl::rl_futex(&all_run, rl::RL_FUTEX_WAKE, 1, 0, 0, 0, $);
        }
    }
    void work(int i) {
        while (look(i) || search(i)) {
            run_job(i);
            if (surplus > 0 && load_rlx(&pool.a_surplus) > 0)
                P::vti_worker_retire(&worker[i]);
        }
        RL_ASSERT(load_rlx(&run) == all);
    }
    void push_and_close() {
        for (int i = 0; i < jobs; i++) {
            for (int n = 40 * rl::rand(3); n > 0 && pool.sleepers.length < workers; n--)
                rl::yield(1, $); // all may sleep by now
            P::queue_push(&pool.inbox);
            if (P::idle_pushed_any(&pool.idle, &pool.a_inbox_epoch))
                P::vti_pool_wake_one(&pool);
        }
        bool waits = rl::rand(2) != 0; // else its close wakes one who may find what was left
        while (waits && all_run.load(rl::mo_acquire, $) == 0)
            rl::rl_futex(&all_run, rl::RL_FUTEX_WAIT, 0, 0, 0, 0, $);
        P::vti_mutex_lock(&pool.lock);
        pool.closing = true;
        P::vti_mutex_unlock(&pool.lock);
        P::vti_pool_wake_one(&pool);
    }
    void thread(unsigned index) {
        if (index < workers) {
            work(static_cast<int>(index));
        } else {
            push_and_close();
        }
    }
};

int main() {
    unsigned const n = 100000, mutant = 400000;
    int wrong = search<Park<Sound, 2>>("park, two workers", true, n);
    wrong += search<Park<Sound, 3>>("park, three workers", true, n);
    wrong += search<Park<Sound, 3, 1>>("park, three workers, one too many", true, n);
    wrong += search<Park<NoOrder, 2>>("park, mutant: acquire and release only", false, mutant);
    wrong += search<Park<NobodyWoken, 2>>("park, mutant: nobody is woken", false, mutant);
    wrong += search<Park<NoLastLook, 2>>("park, mutant: no last look", false, mutant);
    wrong += search<Park<Cleared, 2>>("park, mutant: a_wake cleared after listing", false, mutant);
    wrong += search<Park<WakeFirst, 2>>("park, mutant: futex woken before the store", false, mutant);
    wrong += search<Park<NoFutexWake, 2>>("park, mutant: no futex wake", false, mutant);
    wrong += search<Park<NoEdge, 2>>("park, mutant: a_wake carries nothing", false, mutant);
    wrong += search<Park<Hasty, 2>>("park, mutant: the late wake is not awaited", false, mutant);
    wrong += search<Park<ClosingEarly, 2>>("park, mutant: closing read before listing", false, mutant);
    wrong += search<Park<ClosingUnseen, 2>>("park, mutant: closing not seen", false, mutant);
    wrong += search<Park<NotAll, 2>>("park, mutant: drained while somebody is awake", false, mutant);
    wrong += search<Park<SparesForgotten, 3, 1>>("park, mutant: spares not woken at the end", false, mutant);
    return wrong;
}
