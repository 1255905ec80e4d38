/* tests/api/test_pool.c: what <vtask/pool.h> promises: width, names, signals, closing, blocked awaits, parking. */
#include "api.h"

#include <sys/prctl.h>

/* ---- making and closing ---- */

static atomic_int ignored;

static int count_up(void *arg, task_value *result) {
    (void)result;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

typedef struct spread {
    atomic_int *ran;
    unsigned depth, fan;
} spread;

static int spread_out(void *arg, task_value *result) {
    spread *s = arg;
    (void)result;
    atomic_fetch_add(s->ran, 1);
    for (unsigned i = 0; s->depth > 0 && i < s->fan; i++) {
        spread inner = {s->ran, s->depth - 1, s->fan};
        task_options o = TASK_OPTIONS_INIT;
        task *t;
        o.arg_size = sizeof inner;
        t = task_run_with(&o, spread_out, &inner);
        must(t != NULL);
        task_release(t);
    }
    return 0;
}

START_TEST(close_runs_everything_that_was_submitted) {
    static const unsigned widths[] = {0, 1, 2, 3, 8}, loads[] = {0, 1, 2, 100, 5000};
    for (size_t w = 0; w < COUNT(widths); w++)
        for (size_t l = 0; l < COUNT(loads); l++) {
            task_pool *pool = pool_of(widths[w]);
            atomic_int ran = 0;
            for (unsigned i = 0; i < loads[l]; i++)
                task_release(run_in(pool, count_up, &ran));
            ck_assert_int_eq(task_pool_close(pool), 0);
            ck_assert_int_eq(atomic_load(&ran), (int)loads[l]);
        }
}
END_TEST

START_TEST(close_runs_what_tasks_submit_while_it_drains) {
    static const spread shapes[] = {{NULL, 1000, 1}, {NULL, 10, 2}, {NULL, 3, 15}, {NULL, 1, 3000}};
    for (unsigned workers = 1; workers <= 4; workers++) {
        task_pool *pool = pool_of(workers);
        atomic_int ran = 0;
        spread s = shapes[_i];
        int expected = 0, level = 1;
        s.ran = &ran;
        for (unsigned d = 0; d <= s.depth; d++) {
            expected += level;
            level *= (int)s.fan;
        }
        task_release(run_in(pool, spread_out, &s));
        ck_assert_int_eq(task_pool_close(pool), 0);
        ck_assert_int_eq(atomic_load(&ran), expected);
    }
}
END_TEST

static void *close_it(void *arg) {
    must(task_pool_close(arg) == 0);
    return NULL;
}

typedef struct refused {
    task_pool *pool;
    gate *hold;
    atomic_int freed, ran;
    int code_from_task_of_other_pool;
} refused;

static void count_freed(void *arg) { atomic_fetch_add(&((refused *)arg)->freed, 1); }

static int count_refused(void *arg, task_value *result) {
    (void)result;
    atomic_fetch_add(&((refused *)arg)->ran, 1);
    return 0;
}

static int try_submit(refused *r, unsigned flags) {
    task_options o = TASK_OPTIONS_INIT;
    task *t;
    o.pool = r->pool;
    o.free_arg = count_freed;
    o.flags = flags;
    errno = 0;
    t = task_run_with(&o, count_refused, r);
    if (t == NULL)
        return errno;
    task_release(t);
    return 0;
}

static int submit_from_elsewhere(void *arg, task_value *result) {
    refused *r = arg;
    (void)result;
    r->code_from_task_of_other_pool = try_submit(r, 0);
    return 0;
}

static int submit_from_inside(void *arg, task_value *result) {
    refused *r = arg;
    (void)result;
    gate_pass(r->hold);
    for (unsigned i = 0; i < 50; i++)
        must(try_submit(r, i % 10 == 9 ? TASK_LONG_RUNNING : 0) == 0);
    return 0;
}

START_TEST(closing_pool_refuses_outsiders_keeps_nothing_of_theirs_and_serves_its_own) {
    task_pool *pool = pool_of(2), *other = pool_of(1);
    gate hold = GATE_INIT;
    refused r = {pool, &hold, 0, 0, 0};
    task *inside = run_in(pool, submit_from_inside, &r);
    crew c = {.n = 0};
    int accepted = 0, code;
    double limit = now() + WAIT_LIMIT;
    gate_await(&hold, 1);
    crew_add(&c, close_it, pool);
    while ((code = try_submit(&r, 0)) == 0) { /* until the closer has begun */
        accepted++;
        ck_assert(now() < limit);
        breathe();
    }
    ck_assert_int_eq(code, VTASK_E_SHUTDOWN);
    ck_assert_int_eq(try_submit(&r, TASK_LONG_RUNNING), VTASK_E_SHUTDOWN);
    ck_assert_int_eq(do_in(other, submit_from_elsewhere, &r), 0);
    ck_assert_int_eq(r.code_from_task_of_other_pool, VTASK_E_SHUTDOWN);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(try_submit(&r, 0), VTASK_E_SHUTDOWN);
    gate_open(&hold);
    crew_join(&c);
    ck_assert_int_eq(task_join(inside, NULL), 0);
    ck_assert_int_eq(atomic_load(&r.ran), accepted + 50);
    ck_assert_int_eq(atomic_load(&r.freed), accepted + 50);
    close_pool(other);
}
END_TEST

static int close_simply(void *arg, task_value *result) {
    result->i64 = task_pool_close(arg);
    return 0;
}

static int close_from_child(void *arg, task_value *result) {
    vt_child c;
    vt_fork(&c, close_simply, arg);
    return vt_join(&c, result);
}

static int close_from_inline(void *arg, task_value *result) { return task_join(task_run(close_simply, arg), result); }

START_TEST(close_from_inside_is_eperm_and_changes_nothing) {
    static task_fn *const ways[] = {close_simply, close_from_child, close_from_inline};
    task_pool *pool = pool_of(2);
    atomic_int ran = 0;
    for (size_t i = 0; i < COUNT(ways); i++)
        for (unsigned flags = 0; flags <= TASK_LONG_RUNNING; flags++) {
            task_options o = TASK_OPTIONS_INIT;
            task_value v = as_i64(0);
            o.pool = pool;
            o.flags = flags;
            ck_assert_int_eq(task_join(task_run_with(&o, ways[i], pool), &v), 0);
            ck_assert_int_eq(v.i64, EPERM);
            ck_assert_int_eq(do_in(pool, count_up, &ran), 0);
        }
    ck_assert_int_eq(atomic_load(&ran), 6);
    close_pool(pool);
}
END_TEST

START_TEST(default_pool_cannot_be_closed) {
    atomic_int ran = 0;
    task_value v = as_i64(0);
    ck_assert_int_eq(task_pool_close(task_pool_default()), EPERM);
    ck_assert_int_eq(task_join(task_run(close_simply, task_pool_default()), &v), 0);
    ck_assert_int_eq(v.i64, EPERM);
    ck_assert_int_eq(task_join(task_run(count_up, &ran), NULL), 0);
    ck_assert_int_eq(atomic_load(&ran), 1);
}
END_TEST

START_TEST(task_of_one_pool_closes_another) {
    task_pool *a = pool_of(1), *b = pool_of(2);
    atomic_int ran = 0;
    task_value v = as_i64(-1);
    for (unsigned i = 0; i < 1000; i++)
        task_release(run_in(b, count_up, &ran));
    ck_assert_int_eq(task_join(run_in(a, close_simply, b), &v), 0);
    ck_assert_int_eq(v.i64, 0);
    ck_assert_int_eq(atomic_load(&ran), 1000);
    close_pool(a);
}
END_TEST

typedef struct closer {
    task_pool *pool;
    pthread_barrier_t *start;
    gate *refused;
    atomic_int *won, *lost;
} closer;

static void *close_with_others(void *arg) {
    closer *c = arg;
    int code;
    pthread_barrier_wait(c->start);
    code = task_pool_close(c->pool);
    must(code == 0 || code == VTASK_E_SHUTDOWN);
    atomic_fetch_add(code == 0 ? c->won : c->lost, 1);
    if (code != 0)
        gate_arrive(c->refused);
    return NULL;
}

START_TEST(one_of_many_closers_closes_and_the_others_get_shutdown) {
    enum { CLOSERS = 8 };
    for (unsigned round = 0; round < scaled(100); round++) {
        task_pool *pool = pool_of(2);
        pthread_barrier_t start;
        gate hold = GATE_INIT, refused_gate = GATE_INIT;
        atomic_int won = 0, lost = 0;
        closer one = {pool, &start, &refused_gate, &won, &lost};
        crew c = {.n = 0};
        task *t = run_in(pool, wait_at_gate, &hold);
        pthread_barrier_init(&start, NULL, CLOSERS);
        for (unsigned i = 0; i < CLOSERS; i++)
            crew_add(&c, close_with_others, &one);
        gate_await(&refused_gate, CLOSERS - 1); /* the pool still lives: its task is held */
        gate_open(&hold);
        crew_join(&c);
        must(atomic_load(&won) == 1 && atomic_load(&lost) == CLOSERS - 1);
        must(task_join(t, NULL) == 0);
        pthread_barrier_destroy(&start);
    }
}
END_TEST

START_TEST(close_joins_the_threads) {
    unsigned before;
    task_release(task_run(count_up, &ignored)); /* whatever is made once */
    task_pool_close(pool_of(2));
    until(threads_now() > 0);
    before = threads_now();
    for (unsigned i = 0; i < scaled(200); i++) {
        task_pool *pool = pool_of(1 + i % 5);
        close_pool(pool);
    }
    until(threads_now() <= before);
}
END_TEST

START_TEST(pools_made_and_closed_leave_no_memory_behind) {
    size_t before = 0, after;
    if (UNDER_SANITIZER)
        return;
    for (unsigned i = 0; i < 600; i++) {
        task_pool *pool = pool_of(2);
        atomic_int ran = 0;
        for (unsigned k = 0; k < 50; k++)
            task_release(run_in(pool, count_up, &ran));
        close_pool(pool);
        if (i == 99)
            before = resident_bytes();
    }
    after = resident_bytes();
    ck_assert_msg(after < before + (8u << 20), "%zu bytes grew to %zu", before, after);
}
END_TEST

static int close_a_new_pool(void *arg, task_value *result) {
    task_pool *pool = pool_of(2);
    (void)result;
    must(do_in(pool, count_up, arg) == 0);
    close_pool(pool);
    return 0;
}

START_TEST(task_makes_uses_and_closes_a_pool_of_its_own) {
    task_pool *pool = pool_of(1);
    atomic_int ran = 0;
    for (unsigned i = 0; i < 50; i++)
        ck_assert_int_eq(do_in(pool, close_a_new_pool, &ran), 0);
    ck_assert_int_eq(atomic_load(&ran), 50);
    close_pool(pool);
}
END_TEST

/* ---- the threads ---- */

typedef struct thread_look {
    pthread_barrier_t *all;
    char name[32];
    sigset_t mask;
    uint64_t tid;
} thread_look;

static int look_at_thread(void *arg, task_value *result) {
    thread_look *l = arg;
    (void)result;
    prctl(PR_GET_NAME, l->name);
    pthread_sigmask(SIG_SETMASK, NULL, &l->mask);
    l->tid = my_tid();
    pthread_barrier_wait(l->all);
    return 0;
}

static void look_at_all(task_pool *pool, thread_look *looks, unsigned n) {
    pthread_barrier_t all;
    task *tasks[16];
    pthread_barrier_init(&all, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        looks[i].all = &all;
        tasks[i] = run_in(pool, look_at_thread, &looks[i]);
    }
    for (unsigned i = 0; i < n; i++)
        must(task_join(tasks[i], NULL) == 0);
}

START_TEST(pool_of_n_runs_n_tasks_at_once_on_threads_named_after_it) {
    thread_look looks[8];
    task_pool_options o = TASK_POOL_OPTIONS_INIT;
    task_pool *pool;
    char name[8] = "mill";
    unsigned n = (unsigned)_i;
    o.workers = n;
    o.name = name;
    ck_assert_int_eq(task_pool_create(&pool, &o), 0);
    memset(name, 'x', sizeof name - 1); /* the name was copied */
    look_at_all(pool, looks, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned index = 999;
        char rest = 0;
        ck_assert_msg(sscanf(looks[i].name, "mill-%u%c", &index, &rest) == 1, "a thread is named %s", looks[i].name);
        ck_assert_uint_lt(index, n + 1);
        for (unsigned k = 0; k < i; k++) {
            ck_assert_str_ne(looks[i].name, looks[k].name);
            ck_assert_uint_ne(looks[i].tid, looks[k].tid);
        }
    }
    close_pool(pool);
}
END_TEST

START_TEST(threads_are_named_vtask_unless_told_and_long_names_are_shortened) {
    thread_look looks[2];
    task_pool_options o = TASK_POOL_OPTIONS_INIT;
    task_pool *pool = pool_of(2);
    look_at_all(pool, looks, 2);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(strncmp(looks[i].name, "vtask-", 6), 0);
    close_pool(pool);
    o.workers = 2;
    o.name = "a-name-much-longer-than-any-kernel-keeps";
    ck_assert_int_eq(task_pool_create(&pool, &o), 0);
    look_at_all(pool, looks, 2);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(strncmp(looks[i].name, "a-name-much", 8), 0);
    close_pool(pool);
    o.name = "";
    ck_assert_int_eq(task_pool_create(&pool, &o), 0);
    look_at_all(pool, looks, 2);
    close_pool(pool);
}
END_TEST

static void check_mask(const sigset_t *mask) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    for (int sig = 1; sig <= SIGRTMAX; sig++) {
        bool fault = false;
        for (size_t i = 0; i < COUNT(faults); i++)
            fault = fault || sig == faults[i];
        if (sig == SIGKILL || sig == SIGSTOP || (sig > SIGSYS && sig < SIGRTMIN))
            continue;
        if (sigismember(mask, sig) != (fault ? 0 : 1))
            ck_abort_msg("signal %d is %s", sig, fault ? "blocked" : "let in");
    }
}

typedef struct blocked_await {
    task *t;
    gate *ready;
} blocked_await;

static int await_foreign(void *arg, task_value *result) {
    blocked_await *b = arg;
    gate_arrive(b->ready);
    return task_await(b->t, result);
}

START_TEST(workers_spares_and_long_running_threads_block_signals_and_the_caller_does_not) {
    sigset_t before, after;
    thread_look worker, spare, own;
    pthread_barrier_t one;
    task_options o = TASK_OPTIONS_INIT;
    task_pool *pool, *other = pool_of(1);
    gate hold = GATE_INIT, ready = GATE_INIT;
    blocked_await b = {NULL, &ready};
    task *awaiter;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pool = pool_of(1);
    pthread_barrier_init(&one, NULL, 1);
    worker.all = spare.all = own.all = &one;
    ck_assert_int_eq(do_in(pool, look_at_thread, &worker), 0);
    b.t = run_in(other, wait_at_gate, &hold);
    awaiter = run_in(pool, await_foreign, &b);
    gate_await(&ready, 1);
    ck_assert_int_eq(do_in(pool, look_at_thread, &spare), 0);
    ck_assert_uint_ne(spare.tid, worker.tid);
    gate_open(&hold);
    ck_assert_int_eq(task_join(awaiter, NULL), 0);
    task_release(b.t);
    o.pool = pool;
    o.flags = TASK_LONG_RUNNING;
    ck_assert_int_eq(task_join(task_run_with(&o, look_at_thread, &own), NULL), 0);
    check_mask(&worker.mask);
    check_mask(&spare.mask);
    check_mask(&own.mask);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int sig = 1; sig <= SIGSYS; sig++)
        ck_assert_int_eq(sigismember(&after, sig), sig == SIGUSR2);
    close_pool(pool);
    close_pool(other);
}
END_TEST

static _Atomic uint64_t handled_by;
static void note_thread(int sig) {
    (void)sig;
    atomic_store(&handled_by, (uint64_t)syscall(SYS_gettid));
}

START_TEST(signals_to_the_process_reach_the_applications_own_thread) {
    struct sigaction a;
    task_pool *pool = pool_of(4);
    atomic_int ran = 0;
    memset(&a, 0, sizeof a);
    a.sa_handler = note_thread;
    ck_assert_int_eq(sigaction(SIGUSR1, &a, NULL), 0);
    for (unsigned i = 0; i < 100; i++) {
        atomic_store(&handled_by, 0);
        task_release(run_in(pool, count_up, &ran));
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
        until(atomic_load(&handled_by) != 0);
        ck_assert_uint_eq(atomic_load(&handled_by), my_tid());
    }
    close_pool(pool);
}
END_TEST

static int child_on_one_cpu(void) {
    cpu_set_t have, one;
    task_pool_stats s = TASK_POOL_STATS_INIT;
    size_t cpu = 0;
    child_must(sched_getaffinity(0, sizeof have, &have) == 0);
    while (!CPU_ISSET(cpu, &have))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    child_must(sched_setaffinity(0, sizeof one, &one) == 0);
    child_must(task_pool_default() != NULL);
    task_pool_get_stats(task_pool_default(), &s);
    child_must(s.workers == 1);
    child_must(s.threads == 1);
    task_pool *mine = pool_of(0);
    task_pool_get_stats(mine, &s);
    child_must(s.workers == 1);
    child_must(task_pool_close(mine) == 0);
    child_must(task_join(task_run(count_up, &ignored), NULL) == 0);
    return 0;
}

START_TEST(default_width_is_the_cpus_this_process_may_use) {
    static child_end end;
    cpu_set_t have;
    task_pool_stats s = TASK_POOL_STATS_INIT;
    run_child("on_one_cpu", NULL, &end);
    assert_exits(&end, 0);
    ck_assert_int_eq(sched_getaffinity(0, sizeof have, &have), 0);
    task_pool_get_stats(task_pool_default(), &s);
    ck_assert_uint_ge(s.workers, 1);
    ck_assert_uint_le(s.workers, (unsigned)CPU_COUNT(&have)); /* a quota may make it narrower */
}
END_TEST

/* ---- width is kept while awaits block ---- */

enum blocking { BY_TASK_AWAIT, BY_VALUE_TASK, BY_SOURCE, BY_WHEN_ALL, BY_WHEN_ANY, BY_WHEN_EACH, BLOCKINGS };

typedef struct blocker {
    enum blocking how;
    task *outside;
    vt_source *source;
    gate *ready;
} blocker;

static int go_on(void *context, size_t index, task *done) {
    (void)context;
    (void)index;
    (void)done;
    return 0;
}

static int block_somehow(void *arg, task_value *result) {
    blocker *b = arg;
    task *twice[2] = {b->outside, b->outside}, *t;
    vt v;
    gate_arrive(b->ready);
    switch (b->how) {
    case BY_TASK_AWAIT:
        return task_await(b->outside, result);
    case BY_VALUE_TASK:
        v = vt_from_task(task_retain(b->outside));
        return vt_await(&v, result);
    case BY_SOURCE:
        v = vt_from_source(b->source);
        return vt_await(&v, result);
    case BY_WHEN_ALL:
        t = when_all(twice, 2);
        must(t != NULL);
        return task_join(t, result);
    case BY_WHEN_ANY:
        t = when_any(twice, 2);
        must(t != NULL);
        return task_join(t, result);
    default:
        return when_each(twice, 2, go_on, NULL);
    }
}

static int meet(void *arg, task_value *result) {
    (void)result;
    pthread_barrier_wait(arg);
    return 0;
}

START_TEST(width_is_kept_while_awaits_block) {
    enum { MAX = 4, WAVES = 3 };
    for (unsigned width = 1; width <= MAX; width++) {
        task_pool *pool = pool_of(width), *other = pool_of(1);
        gate hold = GATE_INIT, ready = GATE_INIT;
        vt_source source;
        blocker b = {(enum blocking)_i, run_in(other, wait_at_gate, &hold), &source, &ready};
        task *blocked[MAX * WAVES];
        unsigned n = 0;
        task_pool_stats s = TASK_POOL_STATS_INIT;
        vt_source_init(&source);
        for (unsigned wave = 0; wave < WAVES; wave++) {
            /* block the whole width; then as many tasks as the pool is wide must meet all the same */
            pthread_barrier_t together;
            task *all[MAX];
            for (unsigned i = 0; i < width; i++)
                blocked[n++] = run_in(pool, block_somehow, &b);
            gate_await(&ready, n);
            pthread_barrier_init(&together, NULL, width);
            for (unsigned i = 0; i < width; i++)
                all[i] = run_in(pool, meet, &together);
            for (unsigned i = 0; i < width; i++)
                must(task_join(all[i], NULL) == 0);
        }
        task_pool_get_stats(pool, &s);
        ck_assert_uint_eq(s.workers, width);
        ck_assert_uint_ge(s.threads, width);
        gate_open(&hold);
        must(vt_source_set_value(&source, as_i64(7)) == 0);
        for (unsigned i = 0; i < n; i++) {
            task_value v = as_i64(0);
            ck_assert_int_eq(task_join(blocked[i], &v), 0);
            if (b.how <= BY_SOURCE)
                ck_assert_int_eq(v.i64, 7);
        }
        task_release(b.outside);
        close_pool(pool);
        close_pool(other);
        until(vt_source_fini(&source) == 0);
    }
}
END_TEST

static int two_deep(void *arg, task_value *result) {
    blocked_await *b = arg;
    task *t = task_run(await_foreign, b);
    (void)result;
    must(t != NULL);
    return task_join(t, result);
}

START_TEST(blocked_await_under_an_inline_run_keeps_the_width_too) {
    task_pool *pool = pool_of(1), *other = pool_of(1);
    gate hold = GATE_INIT, ready = GATE_INIT;
    blocked_await b = {run_in(other, wait_at_gate, &hold), &ready};
    atomic_int ran = 0;
    task *t[5];
    for (unsigned i = 0; i < 5; i++) {
        t[i] = run_in(pool, two_deep, &b);
        gate_await(&ready, i + 1);
        ck_assert_int_eq(do_in(pool, count_up, &ran), 0);
    }
    gate_open(&hold);
    for (unsigned i = 0; i < 5; i++)
        ck_assert_int_eq(task_join(t[i], NULL), 0);
    task_release(b.t);
    close_pool(pool);
    close_pool(other);
}
END_TEST

/* Two pools await one another's tasks, back and forth. */
typedef struct pong {
    task_pool *pools[2];
    unsigned left;
} pong;

static int bounce(void *arg, task_value *result) {
    pong *p = arg;
    pong next = {{p->pools[1], p->pools[0]}, p->left - 1};
    if (p->left == 0) {
        result->i64 = 1;
        return 0;
    }
    return task_join(run_in(p->pools[1], bounce, &next), result);
}

START_TEST(pools_that_await_each_other_make_progress) {
    pong p = {{pool_of(1), pool_of(1)}, 100};
    for (unsigned i = 0; i < scaled(40); i++) {
        task_value v = as_i64(0);
        must(task_join(run_in(p.pools[0], bounce, &p), &v) == 0);
        must(v.i64 == 1);
    }
    close_pool(p.pools[0]);
    close_pool(p.pools[1]);
}
END_TEST

/* ---- the cap of 256 threads ---- */

typedef struct crowd {
    task *outside;
    atomic_int overflows, others, right;
    gate *hold;
    bool by_value_task;
} crowd;

static int block_or_overflow(void *arg, task_value *result) {
    crowd *c = arg;
    vt v = {0};
    task_value got = as_i64(31);
    int err;
    if (c->by_value_task) {
        /* at most 32 may stand before one task: each has a task of its own in between */
        task *one = c->outside;
        task *mine = when_all(&one, 1);
        must(mine != NULL);
        v = vt_from_task(mine);
        err = vt_await(&v, &got);
    } else {
        err = task_await(c->outside, &got);
    }
    if (err == VTASK_E_OVERFLOW) {
        must(got.i64 == 31);
        atomic_fetch_add(&c->overflows, 1);
        if (c->by_value_task)
            vt_discard(&v);
    } else if (err != 0) {
        atomic_fetch_add(&c->others, 1);
    } else {
        if (got.i64 == (c->by_value_task ? 0 : 7))
            atomic_fetch_add(&c->right, 1);
    }
    (void)result;
    return 0;
}

START_TEST(more_blocked_awaits_than_256_overflow_and_never_hang) {
    enum { N = 600, CAP = 256 };
    static task *all[N];
    task_pool *pool = pool_of(1 + (unsigned)_i % 2), *other = pool_of(1);
    gate hold = GATE_INIT;
    crowd c = {run_in(other, wait_at_gate, &hold), 0, 0, 0, &hold, _i / 2 == 1};
    atomic_int ran = 0;
    task_pool_stats s = TASK_POOL_STATS_INIT;
    listen_to_reports();
    for (unsigned i = 0; i < N; i++)
        all[i] = run_in(pool, block_or_overflow, &c);
    until(atomic_load(&c.overflows) + atomic_load(&c.others) >= N - CAP);
    ck_assert_int_eq(atomic_load(&c.others), 0);
    ck_assert_uint_le(threads_now(), CAP + 16);
    task_pool_get_stats(pool, &s);
    ck_assert_uint_le(s.threads, CAP);
    ck_assert_int_eq(do_in(pool, count_up, &ran), 0); /* somebody is always left to work */
    gate_open(&hold);
    for (unsigned i = 0; i < N; i++)
        ck_assert_int_eq(task_join(all[i], NULL), 0);
    ck_assert_int_eq(atomic_load(&c.overflows) + atomic_load(&c.right), N);
    ck_assert_int_ge(atomic_load(&c.right), CAP / 2);
    ck_assert_uint_eq(reports_count(&heard), 0);
    ck_assert_int_eq(do_in(pool, block_or_overflow, &c), 0); /* and the same call can be made again */
    ck_assert_int_eq(atomic_load(&c.overflows) + atomic_load(&c.right), N + 1);
    task_release(c.outside);
    close_pool(pool);
    close_pool(other);
}
END_TEST

typedef struct patient {
    vt_source source;
    vt v;
    task_pool *pool;
    gate *hold;
    int first, again;
    task_value value;
    atomic_int tried;
} patient;

static int await_source_patiently(void *arg, task_value *result) {
    patient *p = arg;
    (void)result;
    p->value = as_i64(31);
    p->first = vt_await(&p->v, &p->value);
    atomic_store(&p->tried, 1);
    if (p->first == VTASK_E_OVERFLOW) {
        must(p->value.i64 == 31);
        gate_pass(p->hold); /* a plain wait: this thread is lost to the pool meanwhile */
        p->again = vt_await(&p->v, &p->value);
    }
    return 0;
}

START_TEST(await_refused_for_overflow_leaves_the_value_task_unspent) {
    enum { N = 256 };
    patient *all = calloc(N, sizeof *all);
    static task *tasks[N];
    task_pool *pool = pool_of(1);
    gate hold = GATE_INIT;
    unsigned refused_n = 0;
    listen_to_reports();
    for (unsigned i = 0; i < N; i++) {
        vt_source_init(&all[i].source);
        all[i].v = vt_from_source(&all[i].source);
        all[i].hold = &hold;
        tasks[i] = run_in(pool, await_source_patiently, &all[i]);
    }
    gate_await(&hold, 1);
    for (unsigned i = 0; i < N; i++)
        must(vt_source_set_value(&all[i].source, as_i64(i)) == 0);
    gate_open(&hold);
    for (unsigned i = 0; i < N; i++) {
        must(task_join(tasks[i], NULL) == 0);
        if (all[i].first == VTASK_E_OVERFLOW)
            refused_n++;
        else
            must(all[i].first == 0);
        must(all[i].again == 0);
        must(all[i].value.i64 == (int64_t)i);
        must(vt_source_fini(&all[i].source) == 0);
    }
    ck_assert_uint_ge(refused_n, 1);
    ck_assert_uint_eq(reports_count(&heard), 0);
    close_pool(pool);
    free(all);
}
END_TEST

/* ---- parking and waking ---- */

static uint64_t parks_of(task_pool *pool) {
    task_pool_stats s = TASK_POOL_STATS_INIT;
    task_pool_get_stats(pool, &s);
    return s.parks;
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

START_TEST(idle_pool_goes_to_sleep_and_stays_asleep) {
    task_pool *pool = pool_of((unsigned)_i);
    bool asleep = false;
    for (unsigned i = 0; i < 1000; i++)
        must(do_in(pool, count_up, &ignored) == 0);
    until(parks_of(pool) >= (uint64_t)_i);
    /* some quiet tenth of a second comes: no worker goes to sleep anew, and hardly any CPU is used */
    for (unsigned tries = 0; tries < 100 && !asleep; tries++) {
        uint64_t parks = parks_of(pool);
        double used = cpu_seconds();
        struct timespec tenth = {0, 100000000};
        nanosleep(&tenth, NULL);
        asleep = parks_of(pool) == parks && cpu_seconds() - used < 0.02;
    }
    ck_assert(asleep);
    close_pool(pool);
}
END_TEST

START_TEST(no_wake_up_is_lost_between_a_task_and_the_next) {
    task_pool *pool = pool_of((unsigned)_i);
    atomic_int ran = 0;
    unsigned rounds = scaled(20000);
    for (unsigned i = 0; i < rounds; i++) {
        must(do_in(pool, count_up, &ran) == 0);
        /* let the worker come to every point of its way to sleep */
        for (volatile unsigned spin = 0; spin < (i * 37) % 4096; spin++) {
        }
    }
    ck_assert_int_eq(atomic_load(&ran), (int)rounds);
    for (unsigned i = 0; i < scaled(400); i++) {
        uint64_t parks = parks_of(pool);
        must(do_in(pool, count_up, &ran) == 0);
        until(parks_of(pool) > parks); /* from deep sleep */
    }
    close_pool(pool);
}
END_TEST

START_TEST(burst_wakes_as_many_workers_as_it_has_tasks) {
    /* n tasks that must meet need n workers, from every state of sleep and search */
    enum { WIDTH = 4 };
    task_pool *pool = pool_of(WIDTH);
    for (unsigned i = 0; i < scaled(4000); i++) {
        unsigned n = 1 + i % WIDTH;
        pthread_barrier_t together;
        task *t[WIDTH];
        pthread_barrier_init(&together, NULL, n);
        for (unsigned k = 0; k < n; k++)
            t[k] = run_in(pool, meet, &together);
        for (unsigned k = 0; k < n; k++)
            must(task_join(t[k], NULL) == 0);
        pthread_barrier_destroy(&together);
    }
    close_pool(pool);
}
END_TEST

static int fan_and_meet(void *arg, task_value *result) {
    unsigned n = *(unsigned *)arg;
    pthread_barrier_t together;
    task *t[8];
    (void)result;
    pthread_barrier_init(&together, NULL, n);
    for (unsigned k = 0; k + 1 < n; k++) {
        t[k] = task_run(meet, &together);
        must(t[k] != NULL);
    }
    pthread_barrier_wait(&together); /* the creator falls silent: others must take its tasks at once */
    for (unsigned k = 0; k + 1 < n; k++)
        must(task_join(t[k], NULL) == 0);
    pthread_barrier_destroy(&together);
    return 0;
}

START_TEST(tasks_of_a_silent_creator_are_taken_by_others) {
    enum { WIDTH = 4 };
    task_pool *pool = pool_of(WIDTH);
    for (unsigned i = 0; i < scaled(4000); i++) {
        unsigned n = 2 + i % (WIDTH - 1);
        must(do_in(pool, fan_and_meet, &n) == 0);
    }
    close_pool(pool);
}
END_TEST

/* ---- statistics ---- */

static int fan_of_tasks(void *arg, task_value *result) {
    (void)result;
    for (unsigned i = 0; i < 5000; i++)
        task_release(task_run(count_up, arg));
    return 0;
}

START_TEST(statistics_add_up) {
    enum { WIDTH = 3 };
    task_worker_stats each[WIDTH + 2];
    task_pool_stats s = TASK_POOL_STATS_INIT;
    task_pool *pool = pool_of(WIDTH);
    atomic_int ran = 0;
    uint64_t jobs = 0, steals = 0, parks = 0;
    for (unsigned i = 0; i < 100; i++)
        must(do_in(pool, count_up, &ran) == 0);
    must(do_in(pool, fan_of_tasks, &ran) == 0);
    until(atomic_load(&ran) == 5100);
    until(parks_of(pool) >= WIDTH);
    memset(each, 0xff, sizeof each);
    s.each = each;
    s.each_capacity = WIDTH;
    until((task_pool_get_stats(pool, &s), s.jobs >= 5101));
    ck_assert_uint_eq(s.workers, WIDTH);
    ck_assert_uint_eq(s.threads, WIDTH);
    ck_assert_uint_eq(s.jobs, 5101);
    for (unsigned i = 0; i < WIDTH; i++) {
        jobs += each[i].jobs;
        steals += each[i].steals;
        parks += each[i].parks;
    }
    ck_assert_uint_eq(jobs, s.jobs);
    ck_assert_uint_eq(steals, s.steals);
    ck_assert_uint_ge(parks, WIDTH);
    for (unsigned i = WIDTH; i < WIDTH + 2; i++)
        ck_assert_uint_eq(each[i].jobs, UINT64_MAX);
    ck_assert_ptr_eq(s.each, each);
    s.each_capacity = 1;
    memset(each, 0xff, sizeof each);
    task_pool_get_stats(pool, &s);
    ck_assert_uint_eq(each[1].jobs, UINT64_MAX);
    ck_assert_uint_ne(each[0].parks, UINT64_MAX);
    close_pool(pool);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("pool");
    TCase *c = case_in(s, "close");
    tcase_add_test(c, close_runs_everything_that_was_submitted);
    tcase_add_loop_test(c, close_runs_what_tasks_submit_while_it_drains, 0, 4);
    tcase_add_test(c, closing_pool_refuses_outsiders_keeps_nothing_of_theirs_and_serves_its_own);
    tcase_add_test(c, close_from_inside_is_eperm_and_changes_nothing);
    tcase_add_test(c, default_pool_cannot_be_closed);
    tcase_add_test(c, task_of_one_pool_closes_another);
    tcase_add_test(c, one_of_many_closers_closes_and_the_others_get_shutdown);
    tcase_add_test(c, close_joins_the_threads);
    tcase_add_test(c, pools_made_and_closed_leave_no_memory_behind);
    tcase_add_test(c, task_makes_uses_and_closes_a_pool_of_its_own);
    c = case_in(s, "threads");
    tcase_add_loop_test(c, pool_of_n_runs_n_tasks_at_once_on_threads_named_after_it, 1, 9);
    tcase_add_test(c, threads_are_named_vtask_unless_told_and_long_names_are_shortened);
    tcase_add_test(c, workers_spares_and_long_running_threads_block_signals_and_the_caller_does_not);
    tcase_add_test(c, signals_to_the_process_reach_the_applications_own_thread);
    tcase_add_test(c, default_width_is_the_cpus_this_process_may_use);
    c = case_in(s, "blocked awaits");
    tcase_add_loop_test(c, width_is_kept_while_awaits_block, 0, BLOCKINGS);
    tcase_add_test(c, blocked_await_under_an_inline_run_keeps_the_width_too);
    tcase_add_test(c, pools_that_await_each_other_make_progress);
    tcase_add_loop_test(c, more_blocked_awaits_than_256_overflow_and_never_hang, 0, 4);
    tcase_add_test(c, await_refused_for_overflow_leaves_the_value_task_unspent);
    c = case_in(s, "sleep and wake");
    tcase_add_loop_test(c, idle_pool_goes_to_sleep_and_stays_asleep, 1, 4);
    tcase_add_loop_test(c, no_wake_up_is_lost_between_a_task_and_the_next, 1, 4);
    tcase_add_test(c, burst_wakes_as_many_workers_as_it_has_tasks);
    tcase_add_test(c, tasks_of_a_silent_creator_are_taken_by_others);
    tcase_add_test(c, statistics_add_up);
    return s;
}

int main(int argc, char **argv) {
    static const child_main children[] = {{"on_one_cpu", child_on_one_cpu}};
    return suite_main(argc, argv, make, children, COUNT(children));
}
