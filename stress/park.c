/* park.c: stress of sleeping, waking and closing.
 *
 * First half: pools whose workers go idle all the time. Threads hand over one to three tasks at a time and wait for
 * them, by awaiting or by a semaphore of their own; so do tasks. A wake-up that is lost hangs a thread, which the
 * watchdog sees. The first thread also waits inside a task, without the library's knowledge, for a job that only
 * another worker can run.
 * Second half: pools are made and closed while threads submit. Each submission is refused with VTASK_E_SHUTDOWN or
 * runs exactly once; so does what tasks submit while the pool drains. A task that all submitters must let go keeps the
 * pool's memory until each has been refused.
 */
#include <errno.h>
#include <semaphore.h>
#include <vtask.h>

#include "harness.h"

enum { BURST = 3, QUIET = 100000, SUBTASKS = 3 };

static struct counter submitted = {"tasks submitted", 0}, ran = {"tasks run", 0}, refused = {"tasks refused", 0};
static struct counter pools = {"pools made", 0}, closed = {"pools closed", 0}, parks = {"times a worker slept", 0};
static struct counter *const counters[] = {&submitted, &ran, &refused, &pools, &closed, &parks};

static task_pool *new_pool(unsigned workers) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    task_pool *pool = NULL;
    options.workers = workers;
    must_be(task_pool_create(&pool, &options), 0);
    counter_add(&pools, 1);
    return pool;
}

static void close_pool(task_pool *pool) {
    task_pool_stats stats = TASK_POOL_STATS_INIT;
    task_pool_get_stats(pool, &stats);
    counter_add(&parks, stats.parks);
    must_be(task_pool_close(pool), 0);
    counter_add(&closed, 1);
}

static void wait_on(sem_t *s) {
    while (sem_wait(s) != 0) {
        must(errno == EINTR);
    }
}

/* --- bursts --- */

struct job {
    uint64_t seed;
    unsigned depth; /* how deep tasks hand over tasks */
    sem_t *told;    /* posted at the end, or NULL */
    unsigned times; /* plain */
};

/* One to three jobs, and how they are waited for. */
struct burst {
    struct job jobs[BURST];
    task *tasks[BURST];
    unsigned n;
    sem_t told;
};

static int do_job(void *arg, task_value *result);

static void submit_burst(struct burst *b, task_pool *pool, uint64_t seed, unsigned depth, bool tell) {
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    must(sem_init(&b->told, 0, 0) == 0);
    b->n = 1 + (unsigned)(mix(seed) % BURST);
    for (unsigned i = 0; i < b->n; i++) {
        b->jobs[i] = (struct job){mix(seed + i), depth, tell ? &b->told : NULL, 0};
        b->tasks[i] = task_run_with(&options, do_job, &b->jobs[i]);
        must(b->tasks[i] != NULL);
        if (tell) {
            task_release(b->tasks[i]);
        }
    }
    counter_add(&submitted, b->n);
}

static void wait_for_burst(struct burst *b, bool tell) {
    for (unsigned i = 0; i < b->n; i++) {
        task_value value = {.u64 = 0};
        if (tell) {
            wait_on(&b->told);
        } else {
            must_be(task_join(b->tasks[i], &value), 0);
            must_be(value.u64, mix(b->jobs[i].seed));
        }
    }
    for (unsigned i = 0; i < b->n; i++) {
        must_be(b->jobs[i].times, 1);
    }
    sem_destroy(&b->told);
}

static int do_job(void *arg, task_value *result) {
    struct job *j = arg;
    work(j->seed % 512);
    if (j->depth > 0) {
        struct burst inner;
        submit_burst(&inner, NULL, j->seed, j->depth - 1, false);
        wait_for_burst(&inner, false);
    }
    result->u64 = mix(j->seed);
    j->times++;
    counter_add(&ran, 1);
    sem_t *told = j->told;
    if (told != NULL) {
        must(sem_post(told) == 0);
    }
    return 0;
}

/* Holds its worker until another one has run what it submits. */
static int hold_worker(void *arg, task_value *result) {
    struct random *random = arg;
    struct burst inner;
    (void)result;
    submit_burst(&inner, NULL, random_next(random), 0, true);
    wait_for_burst(&inner, true);
    return 0;
}

struct bursts {
    task_pool *pool;
    unsigned workers;
};

static void one_burst(struct thread *me, const struct bursts *all) {
    uint64_t seed = random_next(&me->random);
    if (me->index == 0 && all->workers > 1 && one_in(&me->random, 4)) {
        task_options options = TASK_OPTIONS_INIT;
        options.pool = all->pool;
        must_be(task_join(task_run_with(&options, hold_worker, &me->random), NULL), 0);
    } else {
        struct burst b;
        bool tell = one_in(&me->random, 2);
        submit_burst(&b, all->pool, seed, (unsigned)(seed >> 32) % 3, tell);
        wait_for_burst(&b, tell);
    }
}

static void bursts(struct thread *me) {
    while (stress_goes_on(1, 2)) {
        one_burst(me, me->arg);
        beat(me, 1);
        work(random_below(&me->random, 8) == 0 ? random_below(&me->random, QUIET) : 0); /* long enough to sleep */
    }
}

static void idle_pools(void) {
    struct bursts wide = {new_pool(stress_threads(2)), stress_threads(2)};
    unsigned threads = stress_threads(2);
    stress_run(threads > 4 ? threads / 2 : 2, bursts, &wide);
    close_pool(wide.pool);
}

/* --- churn --- */

static struct {
    task_pool *pool;
    sem_t refused; /* posted by each submitter that was */
    unsigned submitters;
    bool again; /* thread 0 writes it between two meetings */
} churn;

/* Keeps the pool until each submitter has been refused. */
static int keep_pool(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    must_be(task_pool_close(churn.pool), EPERM);
    for (unsigned i = 0; i < churn.submitters; i++) {
        wait_on(&churn.refused);
    }
    counter_add(&ran, 1);
    return 0;
}

static int do_and_submit(void *arg, task_value *result) {
    uint64_t seed = *(const uint64_t *)arg;
    (void)result;
    work(seed % 256);
    for (uint64_t left = seed % SUBTASKS; left > 0; left--) {
        uint64_t inner = left - 1; /* so it ends */
        task_options options = TASK_OPTIONS_INIT;
        options.arg_size = sizeof inner;
        task *t = task_run_with(&options, do_and_submit, &inner);
        must(t != NULL); /* its own tasks' are taken while it drains */
        counter_add(&submitted, 1);
        task_release(t);
    }
    counter_add(&ran, 1);
    return 0;
}

/* False: refused. */
static bool submit_one(struct random *random) {
    uint64_t seed = random_next(random);
    task_options options = TASK_OPTIONS_INIT;
    options.pool = churn.pool;
    options.arg_size = sizeof seed;
    options.flags = one_in(random, 200) ? TASK_LONG_RUNNING : 0;
    task *t = task_run_with(&options, do_and_submit, &seed);
    if (t == NULL) {
        must_be(errno, VTASK_E_SHUTDOWN);
        counter_add(&refused, 1);
        return false;
    }
    counter_add(&submitted, 1);
    task_release(t);
    return true;
}

static void submit_until_refused(struct thread *me) {
    while (submit_one(&me->random)) {
        beat(me, 1);
        work(random_below(&me->random, 2048)); /* not faster than it can be run */
    }
    must_be(task_pool_close(churn.pool), VTASK_E_SHUTDOWN);
    must(!submit_one(&me->random));
    must(sem_post(&churn.refused) == 0); /* the pool may be gone from here on */
}

static void make_pool(struct thread *me) {
    unsigned workers = 2 + (unsigned)random_below(&me->random, 3);
    task_options options = TASK_OPTIONS_INIT;
    churn.again = stress_goes_on(2, 2);
    if (!churn.again) {
        return;
    }
    options.pool = churn.pool = new_pool(workers);
    options.flags = one_in(&me->random, 2) ? TASK_LONG_RUNNING : 0;
    task *t = task_run_with(&options, keep_pool, NULL);
    must(t != NULL);
    task_release(t);
    counter_add(&submitted, 1);
}

static void close_while_they_submit(struct thread *me) {
    work(random_below(&me->random, 300000));
    close_pool(churn.pool);
    must_be(counter_get(&ran), counter_get(&submitted));
}

/* Nobody keeps it: made, given a little, closed at once. */
static void close_at_once(struct thread *me) {
    churn.pool = new_pool(1 + (unsigned)random_below(&me->random, 3));
    for (uint64_t n = random_below(&me->random, 4); n > 0; n--) {
        must(submit_one(&me->random));
    }
    close_pool(churn.pool);
    must_be(counter_get(&ran), counter_get(&submitted));
    beat(me, 1);
}

static void churn_pools(struct thread *me) {
    for (;;) {
        if (me->index == 0) {
            make_pool(me);
        }
        (void)meet(me);
        if (!churn.again) {
            return;
        }
        me->index == 0 ? close_while_they_submit(me) : submit_until_refused(me);
        (void)meet(me);
        if (me->index == 0) {
            close_at_once(me);
        }
        beat(me, 1);
    }
}

int main(int argc, char **argv) {
    stress_begin(argc, argv, "park", counters, COUNT(counters));
    idle_pools();
    stress_equal(&submitted, &ran);
    churn.submitters = stress_threads(2) - 1;
    must(sem_init(&churn.refused, 0, 0) == 0);
    stress_run(churn.submitters + 1, churn_pools, NULL);
    sem_destroy(&churn.refused);
    stress_equal(&submitted, &ran);
    stress_equal(&pools, &closed);
    return stress_end();
}
