/* tests/api/test_when.c: what <vtask/when.h> promises: one task, or one loop, over many. */
#include "api.h"

static int give_code(void *arg, task_value *result) {
    result->i64 = 1;
    return *(int *)arg;
}

/* A deterministic shuffle: place i of n under a seed. */
static void shuffle(unsigned *order, unsigned n, unsigned seed) {
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = n; i > 1; i--) {
        unsigned k;
        seed = seed * 1664525u + 1013904223u;
        k = (seed >> 8) % i;
        unsigned kept = order[i - 1];
        order[i - 1] = order[k];
        order[k] = kept;
    }
}

/* ---- when_all ---- */

START_TEST(when_all_of_nothing_has_ended_already) {
    task *none[1] = {NULL};
    for (int i = 0; i < 2; i++) {
        task *t = when_all(i ? none : NULL, 0);
        task_value v = as_i64(-7);
        ck_assert_ptr_nonnull(t);
        ck_assert_int_eq(task_status(t), TASK_SUCCEEDED);
        ck_assert_int_eq(task_error(t), 0);
        ck_assert_int_eq(task_await(t, &v), 0);
        ck_assert_uint_eq(v.u64, 0);
        task_release(t);
    }
}
END_TEST

static const unsigned counts[] = {1, 2, 3, 7, 64, 65, 500};
enum failing { NOBODY, FIRST, LAST, TWO, EVERYBODY, FAILINGS };

static int code_of(enum failing f, unsigned i, unsigned n) {
    if (f == FIRST && i == 0)
        return 100;
    if (f == LAST && i == n - 1)
        return 200;
    if (f == TWO && (i == n / 2 || i == n - 1))
        return 300 + (int)i;
    if (f == EVERYBODY)
        return 400 + (int)i;
    return 0;
}

static int expected_code(enum failing f, unsigned n) {
    for (unsigned i = 0; i < n; i++)
        if (code_of(f, i, n) != 0)
            return code_of(f, i, n);
    return 0;
}

/* n inputs, some ended before, ended in a shuffled order; the result asked for before or after; inputs released early. */
START_TEST(when_all_gives_the_first_failing_indexs_code_whatever_the_order) {
    enum failing f = (enum failing)_i;
    for (size_t c = 0; c < COUNT(counts); c++)
        for (unsigned before = 0; before < 3; before++)
            for (unsigned seed = 0; seed < scaled(10); seed++) {
                unsigned n = counts[c], ended = before == 0 ? 0 : before == 1 ? n / 2 : n;
                bool release_early = seed % 2;
                unsigned order[500];
                static writer w[500];
                static task *in[500];
                task *all;
                task_value v = as_i64(-7);
                shuffle(order, n, seed + 77);
                for (unsigned i = 0; i < n; i++) {
                    writer_init(&w[i]);
                    in[i] = w[i].task;
                }
                for (unsigned i = 0; i < ended; i++)
                    writer_set(&w[order[i]], code_of(f, order[i], n), 5);
                all = when_all(in, n);
                must(all != NULL);
                memset(in, 0xff, sizeof in); /* the array was borrowed for the call */
                if (release_early)
                    for (unsigned i = 0; i < n; i++) {
                        task_release(w[i].task);
                        w[i].task = NULL;
                    }
                for (unsigned i = ended; i < n; i++) {
                    must(task_error(all) == EAGAIN);
                    must(task_status(all) < TASK_SUCCEEDED);
                    writer_set(&w[order[i]], code_of(f, order[i], n), 5);
                }
                must(task_await(all, &v) == expected_code(f, n));
                must(task_error(all) == expected_code(f, n));
                if (expected_code(f, n) == 0)
                    must(v.u64 == 0);
                else
                    must(v.i64 == -7);
                task_release(all);
                for (unsigned i = 0; i < n; i++)
                    writer_fini(&w[i]);
            }
}
END_TEST

START_TEST(duplicate_inputs_are_fine) {
    for (int error = 0; error < 2; error++)
        for (int before = 0; before < 2; before++) {
            writer w[2];
            task *in[6], *all, *any;
            task_value v = as_i64(-7);
            for (unsigned i = 0; i < 2; i++)
                writer_init(&w[i]);
            for (unsigned i = 0; i < 6; i++)
                in[i] = w[i % 2].task;
            if (before)
                writer_set(&w[1], error ? 9 : 0, 1);
            all = when_all(in, 6);
            any = when_any(in, 6);
            must(all != NULL && any != NULL);
            if (!before)
                writer_set(&w[1], error ? 9 : 0, 1);
            ck_assert_int_eq(task_join(any, &v), 0);
            ck_assert_uint_eq(v.u64 % 2, 1);
            ck_assert_int_eq(task_error(all), EAGAIN);
            writer_set(&w[0], 0, 1);
            ck_assert_int_eq(task_join(all, NULL), error ? 9 : 0);
            for (unsigned i = 0; i < 2; i++)
                writer_fini(&w[i]);
        }
}
END_TEST

START_TEST(array_literals_fit_into_the_macros) {
    task *a = task_from_value(as_i64(1)), *b = task_from_error(6);
    task_value v = as_i64(-7);
    ck_assert_int_eq(task_join(when_all((task *[]){a, b}, 2), NULL), 6);
    ck_assert_int_eq(task_join(when_all((task *const[]){a, a}, 2), NULL), 0);
    ck_assert_int_eq(task_join(when_any((task *[]){b, a}, 2), &v), 0);
    ck_assert_uint_eq(v.u64, 0);
    task_release(a);
    task_release(b);
}
END_TEST

START_TEST(combinators_nest_over_combinators) {
    writer w[8];
    task *level[8];
    for (unsigned i = 0; i < 8; i++) {
        writer_init(&w[i]);
        level[i] = task_retain(w[i].task);
    }
    for (unsigned n = 8; n > 1; n /= 2)
        for (unsigned i = 0; i < n / 2; i++) {
            task *both[2] = {level[2 * i], level[2 * i + 1]};
            level[i] = when_all(both, 2);
            must(level[i] != NULL);
            task_release(both[0]);
            task_release(both[1]);
        }
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_int_eq(task_error(level[0]), EAGAIN);
        writer_set(&w[7 - i], i == 2 || i == 5 ? (int)i + 1 : 0, 0);
    }
    ck_assert_int_eq(task_join(level[0], NULL), 6); /* i 5 is index 2, the lower one */
    for (unsigned i = 0; i < 8; i++)
        writer_fini(&w[i]);
}
END_TEST

/* ---- inputs of real pools ---- */

typedef struct load {
    task_pool *pools[2];
    unsigned n;
    bool by_when_each;
    atomic_int ran;
} load;

static int add_plain(void *arg, task_value *result) {
    int64_t *plain = arg;
    *plain += 1; /* plain: when_all orders it */
    result->i64 = 1;
    return 0;
}

static int sum_each(void *context, size_t index, task *done) {
    task_value v;
    (void)index;
    must(task_error(done) == 0);
    must(task_await(done, &v) == 0);
    *(int64_t *)context += v.i64;
    return 0;
}

static int run_load(void *arg, task_value *result) {
    load *l = arg;
    int64_t *plain = calloc(l->n, sizeof *plain), sum = 0;
    task **t = calloc(l->n, sizeof *t), *all;
    for (unsigned i = 0; i < l->n; i++)
        t[i] = run_in(l->pools[i % 2], add_plain, &plain[i]);
    if (l->by_when_each) {
        must(when_each(t, l->n, sum_each, &sum) == 0);
        must(sum == (int64_t)l->n);
    } else {
        all = when_all(t, l->n);
        must(all != NULL);
        must(task_join(all, NULL) == 0);
    }
    for (unsigned i = 0; i < l->n; i++) {
        must(plain[i] == 1);
        task_release(t[i]);
    }
    free(t);
    free(plain);
    result->i64 = (int64_t)l->n;
    return 0;
}

START_TEST(everything_the_inputs_did_happens_before_the_end) {
    static const unsigned sizes[] = {1, 10, 1000};
    for (unsigned workers = 1; workers <= 3; workers++) {
        task_pool *a = pool_of(workers), *b = pool_of(1);
        for (size_t k = 0; k < COUNT(sizes); k++)
            for (int where = 0; where < 3; where++)
                for (int each = 0; each < 2; each++) {
                    load l = {{a, where == 2 ? b : a}, sizes[k], each, 0};
                    task_value v;
                    for (unsigned i = 0; i < 5; i++)
                        if (where == 0)
                            must(run_load(&l, &v) == 0);
                        else
                            must(do_in(a, run_load, &l) == 0);
                }
        close_pool(a);
        close_pool(b);
    }
}
END_TEST

START_TEST(awaiting_when_all_on_a_worker_of_one_runs_what_nobody_has_begun) {
    /* one worker and no other thread: it must be the awaiter who works, on few threads */
    task_pool *pool = pool_of(1);
    load l = {{pool, pool}, 2000, false, 0};
    task_pool_stats s = TASK_POOL_STATS_INIT;
    for (unsigned i = 0; i < 20; i++)
        ck_assert_int_eq(do_in(pool, run_load, &l), 0);
    task_pool_get_stats(pool, &s);
    ck_assert_uint_le(s.threads, 4);
    close_pool(pool);
}
END_TEST

START_TEST(combinators_outlive_pools) {
    int codes[4] = {0, 3, 0, 4};
    for (int early = 0; early < 2; early++) {
        task_pool *pool = pool_of(2);
        task *t[4], *all = NULL, *any = NULL;
        task_value v;
        for (unsigned i = 0; i < 4; i++)
            t[i] = run_in(pool, give_code, &codes[i]);
        if (early)
            all = when_all(t, 4);
        if (early)
            any = when_any(t, 4);
        close_pool(pool);
        if (!early)
            all = when_all(t, 4);
        if (!early)
            any = when_any(t, 4);
        ck_assert_int_eq(task_join(all, NULL), 3);
        ck_assert_int_eq(task_join(any, &v), 0);
        ck_assert_uint_lt(v.u64, 4);
        if (!early)
            ck_assert_uint_eq(v.u64, 0);
        for (unsigned i = 0; i < 4; i++)
            task_release(t[i]);
    }
}
END_TEST

/* ---- when_any ---- */

START_TEST(when_any_gives_the_index_that_ended_first_and_its_own_code_is_0) {
    for (size_t c = 0; c < COUNT(counts); c++)
        for (unsigned winner = 0; winner<counts[c]; winner += counts[c]> 64 ? 71 : 1)
            for (int fails = 0; fails < 2; fails++) {
                static writer w[500];
                static task *in[500];
                unsigned n = counts[c];
                task_value v = as_i64(-7);
                task *any;
                for (unsigned i = 0; i < n; i++) {
                    writer_init(&w[i]);
                    in[i] = w[i].task;
                }
                any = when_any(in, n);
                must(any != NULL);
                memset(in, 0xff, sizeof in);
                must(task_error(any) == EAGAIN);
                writer_set(&w[winner], fails ? 77 : 0, 1);
                must(task_error(any) == 0);
                for (unsigned i = 0; i < n; i++)
                    if (i != winner)
                        writer_set(&w[i], fails ? 0 : 78, 1);
                must(task_await(any, &v) == 0);
                must(v.u64 == winner);
                task_release(any);
                for (unsigned i = 0; i < n; i++)
                    writer_fini(&w[i]);
            }
}
END_TEST

START_TEST(when_any_over_ended_inputs_gives_the_lowest_index) {
    for (unsigned mask = 1; mask < 256; mask++) {
        writer w[8];
        task *in[8], *any;
        task_value v;
        unsigned lowest = 0;
        while (!(mask >> lowest & 1))
            lowest++;
        for (unsigned i = 0; i < 8; i++) {
            writer_init(&w[i]);
            in[i] = w[i].task;
        }
        for (unsigned i = 8; i-- > 0;) /* the highest first in time: the index decides all the same */
            if (mask >> i & 1)
                writer_set(&w[i], i % 3 ? 0 : 5, 0);
        any = when_any(in, 8);
        must(any != NULL);
        must(task_status(any) == TASK_SUCCEEDED);
        must(task_join(any, &v) == 0);
        must(v.u64 == lowest);
        for (unsigned i = 0; i < 8; i++)
            if (!(mask >> i & 1))
                writer_set(&w[i], 0, 0);
        for (unsigned i = 0; i < 8; i++)
            writer_fini(&w[i]);
    }
}
END_TEST

typedef struct finisher {
    writer *w;
    pthread_barrier_t *start;
} finisher;

static void *finish(void *arg) {
    finisher *f = arg;
    pthread_barrier_wait(f->start);
    writer_set(f->w, 0, 3);
    return NULL;
}

START_TEST(inputs_that_end_at_once_race_and_one_wins) {
    enum { N = 4 };
    for (unsigned round = 0; round < scaled(600); round++) {
        writer w[N];
        finisher f[N];
        task *in[N], *any, *all, *early;
        pthread_barrier_t start;
        crew c = {.n = 0};
        task_value v, again;
        pthread_barrier_init(&start, NULL, N + 1);
        for (unsigned i = 0; i < N; i++) {
            writer_init(&w[i]);
            in[i] = w[i].task;
            f[i] = (finisher){&w[i], &start};
            crew_add(&c, finish, &f[i]);
        }
        early = when_any(in, N);
        if (round % 2)
            task_release(early); /* let go before anything has ended */
        pthread_barrier_wait(&start);
        any = when_any(in, N); /* made while they end */
        all = when_all(in, N);
        must(any != NULL && all != NULL);
        must(task_await(any, &v) == 0 && v.u64 < N);
        must(task_error(in[v.u64]) == 0);
        must(task_await(any, &again) == 0 && again.u64 == v.u64);
        must(task_join(all, NULL) == 0);
        for (unsigned i = 0; i < N; i++)
            must(task_error(in[i]) == 0);
        if (round % 2 == 0)
            must(task_join(early, &v) == 0 && v.u64 < N);
        task_release(any);
        crew_join(&c);
        for (unsigned i = 0; i < N; i++)
            writer_fini(&w[i]);
        pthread_barrier_destroy(&start);
    }
}
END_TEST

static void check_bounded(size_t before) {
    size_t after = resident_bytes();
    if (!UNDER_SANITIZER)
        ck_assert_msg(after < before + (8u << 20), "%zu bytes grew to %zu", before, after);
}

START_TEST(a_million_when_any_over_one_that_never_ends_stay_in_bounded_memory) {
    writer never, late;
    vt_source s;
    unsigned n = scaled(1000000);
    size_t before = 0;
    bool never_first = _i & 1, drop = _i & 2; /* the loser's place; the result dropped unawaited */
    writer_init(&never);
    writer_init(&late);
    vt_source_init(&s);
    for (unsigned i = 0; i < n; i++) {
        vt v = vt_from_source(&s);
        task *quick = vt_as_task(&v), *any;
        task *in[3] = {never_first ? never.task : quick, late.task, never_first ? quick : never.task};
        must(quick != NULL);
        any = when_any(in, 3);
        must(any != NULL);
        must(task_error(any) == EAGAIN);
        if (drop && i % 2) {
            task_release(any);
            any = NULL;
        }
        must(vt_source_set_value(&s, as_i64(1)) == 0);
        if (any != NULL) {
            task_value got;
            must(task_join(any, &got) == 0);
            must(got.u64 == (never_first ? 2 : 0));
        }
        task_release(quick);
        must(vt_source_reset(&s) == 0);
        if (i == n / 20)
            before = resident_bytes();
    }
    check_bounded(before);
    writer_set(&never, 0, 0);
    writer_set(&late, 0, 0);
    writer_fini(&never);
    writer_fini(&late);
    ck_assert_int_eq(vt_source_fini(&s), 0);
}
END_TEST

static int any_often(void *arg, task_value *result) {
    writer *never = arg;
    unsigned n = scaled(30000);
    size_t before = 0;
    (void)result;
    for (unsigned i = 0; i < n; i++) {
        int code = i % 2 ? 4 : 0;
        task *quick = task_run(give_code, &code), *in[2] = {never->task, quick}, *any;
        task_value v;
        must(quick != NULL);
        any = when_any(in, 2);
        must(any != NULL);
        must(task_join(any, &v) == 0 && v.u64 == 1);
        must(task_join(quick, NULL) == code);
        if (i == n / 10)
            before = resident_bytes();
    }
    check_bounded(before);
    return 0;
}

START_TEST(when_any_over_running_tasks_and_one_that_never_ends_stays_in_bounded_memory) {
    task_pool *pool = pool_of(2);
    writer never;
    task_value v;
    writer_init(&never);
    ck_assert_int_eq(any_often(&never, &v), 0);
    ck_assert_int_eq(do_in(pool, any_often, &never), 0);
    writer_set(&never, 0, 0);
    writer_fini(&never);
    close_pool(pool);
}
END_TEST

static atomic_int freed_values;
static void count_free(task_value v) {
    (void)v;
    atomic_fetch_add(&freed_values, 1);
}

START_TEST(when_any_lets_go_of_its_losers_at_once) {
    task_pool *pool = pool_of(1);
    gate hold = GATE_INIT;
    task_options o = TASK_OPTIONS_INIT;
    task *loser, *winner = task_from_value(as_i64(1)), *any[3];
    o.pool = pool;
    o.free_value = count_free;
    loser = task_run_with(&o, wait_at_gate, &hold);
    for (unsigned i = 0; i < 3; i++)
        any[i] = when_any((task *[]){loser, winner}, 2);
    task_release(loser); /* the last reference but the runner's */
    gate_open(&hold);
    until(atomic_load(&freed_values) == 1); /* though the three results still stand */
    for (unsigned i = 0; i < 3; i++) {
        task_value v;
        ck_assert_int_eq(task_join(any[i], &v), 0);
        ck_assert_uint_eq(v.u64, 1);
    }
    task_release(winner);
    close_pool(pool);
}
END_TEST

START_TEST(combinators_let_go_of_every_input_in_the_end) {
    task_pool *pool = pool_of(2);
    unsigned n = scaled(300), made = 0;
    for (unsigned i = 0; i < n; i++) {
        task_options o = TASK_OPTIONS_INIT;
        gate hold = GATE_INIT;
        task *t[4], *of[2];
        o.pool = pool;
        o.free_value = count_free;
        for (unsigned k = 0; k < 4; k++)
            t[k] = task_run_with(&o, wait_at_gate, &hold);
        made += 4;
        of[0] = when_all(t, 4);
        of[1] = when_any(t, 4);
        must(of[0] != NULL && of[1] != NULL);
        if (i % 2)
            gate_open(&hold);
        for (unsigned k = 0; k < 4; k++)
            task_release(t[k]);
        if (i % 4 < 2) {
            task_release(of[0]); /* before the end, or close to it */
            task_release(of[1]);
            gate_open(&hold);
        } else {
            gate_open(&hold);
            must(task_join(of[0], NULL) == 0);
            must(task_join(of[1], NULL) == 0);
        }
        until(atomic_load(&freed_values) == (int)made);
    }
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&freed_values), (int)made);
}
END_TEST

/* ---- when_each ---- */

typedef struct each_log {
    unsigned n, order[500], stop_at;
    int stop_with;
    uint64_t thread;
    task **in;
    const int *codes;
    gate *go; /* opened by the first call: from here on completions are ordered */
    bool inside;
} each_log;

static int note_each(void *context, size_t index, task *done) {
    each_log *l = context;
    must(!l->inside); /* one call at a time */
    l->inside = true;
    must(my_tid() == l->thread);
    must(l->in[index] == done);
    must(task_status(done) >= TASK_SUCCEEDED);
    if (l->codes != NULL)
        must(task_error(done) == l->codes[index]);
    l->order[l->n++] = (unsigned)index;
    if (l->go != NULL && l->n == 1)
        gate_open(l->go);
    l->inside = false;
    return l->n == l->stop_at ? l->stop_with : 0;
}

typedef struct completer {
    writer *w;
    const unsigned *order;
    const int *codes;
    unsigned from, n;
    gate *go;
} completer;

static void *complete_in_order(void *arg) {
    completer *c = arg;
    gate_pass(c->go);
    for (unsigned i = c->from; i < c->n; i++) {
        writer_set(&c->w[c->order[i]], c->codes[c->order[i]], 0);
        if (i % 16 == 3)
            sched_yield();
    }
    return NULL;
}

START_TEST(when_each_calls_in_order_of_completion_and_stops_when_told) {
    for (size_t c = 0; c < COUNT(counts); c++)
        for (int stop = 0; stop < 3; stop++)
            for (int early = 0; early < 3; early++) /* how many have ended before: one, half, all */
                for (unsigned seed = 0; seed < scaled(6); seed++) {
                    static writer w[500];
                    static task *in[500];
                    unsigned n = counts[c], order[500], from = early == 0 || n == 1 ? 1 : early == 1 ? n / 2 : n;
                    int codes[500];
                    gate go = GATE_INIT;
                    each_log log = {.thread = my_tid(), .in = in, .codes = codes, .stop_with = VT_E_EMPTY, .go = &go};
                    completer k = {w, order, codes, from, n, &go};
                    crew threads = {.n = 0};
                    bool seen[500] = {false};
                    log.stop_at = stop == 0 ? 0 : stop == 1 ? 1 : n;
                    shuffle(order, n, seed + 5);
                    for (unsigned i = 0; i < n; i++) {
                        writer_init(&w[i]);
                        in[i] = w[i].task;
                        codes[i] = i % 3 == 1 ? (int)i + 10 : 0;
                    }
                    for (unsigned i = 0; i < from; i++)
                        writer_set(&w[order[i]], codes[order[i]], 0);
                    crew_add(&threads, complete_in_order, &k);
                    must(when_each(in, n, note_each, &log) == (stop ? VT_E_EMPTY : 0)); /* failing inputs: still 0 */
                    must(log.n == (stop == 1 ? 1 : n));
                    for (unsigned i = 0; i < log.n; i++) {
                        must(!seen[log.order[i]]);
                        seen[log.order[i]] = true;
                        /* those that had ended before come first, in whatever order */
                        if (i >= from)
                            must(log.order[i] == order[i]);
                    }
                    crew_join(&threads);
                    for (unsigned i = 0; i < n; i++)
                        writer_fini(&w[i]);
                }
}
END_TEST

START_TEST(when_each_of_nothing_or_of_duplicates) {
    task *t = task_from_error(3), *in[4] = {t, t, t, t};
    int codes[4] = {3, 3, 3, 3};
    each_log log = {.thread = my_tid(), .in = in, .codes = codes};
    bool seen[4] = {false};
    ck_assert_int_eq(when_each(NULL, 0, note_each, &log), 0);
    ck_assert_uint_eq(log.n, 0);
    ck_assert_int_eq(when_each(in, 4, note_each, &log), 0);
    ck_assert_uint_eq(log.n, 4);
    for (unsigned i = 0; i < 4; i++)
        seen[log.order[i]] = true;
    for (unsigned i = 0; i < 4; i++)
        ck_assert(seen[i]);
    ck_assert_int_eq(task_join(t, NULL), 3);
}
END_TEST

START_TEST(when_each_that_is_stopped_lets_the_rest_go_and_the_rest_go_on) {
    task_pool *pool = pool_of(1);
    gate hold = GATE_INIT;
    task_options o = TASK_OPTIONS_INIT;
    task *in[2], *again;
    each_log log = {.thread = my_tid(), .in = in, .stop_at = 1, .stop_with = -1};
    o.pool = pool;
    o.free_value = count_free;
    in[0] = task_run_with(&o, wait_at_gate, &hold);
    in[1] = task_from_value(as_i64(1));
    for (unsigned i = 0; i < 1000; i++) {
        log.n = 0;
        ck_assert_int_eq(when_each(in, 2, note_each, &log), -1);
        ck_assert_uint_eq(log.n, 1);
        ck_assert_uint_eq(log.order[0], 1);
    }
    ck_assert_int_eq(task_error(in[0]), EAGAIN);
    again = task_retain(in[0]);
    task_release(in[0]);
    gate_open(&hold);
    ck_assert_int_eq(task_await(again, NULL), 0);
    ck_assert_int_eq(atomic_load(&freed_values), 0);
    task_release(again);
    until(atomic_load(&freed_values) == 1);
    task_release(in[1]);
    close_pool(pool);
}
END_TEST

typedef struct big {
    unsigned calls;
    uint64_t sum;
} big;

static int add_index(void *context, size_t index, task *done) {
    big *b = context;
    (void)done;
    b->calls++;
    b->sum += index;
    return 0;
}

static int count_up(void *arg, task_value *result) {
    (void)result;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* Quadratic work over this many would not end before Check's limit. */
START_TEST(when_each_when_all_and_when_any_take_a_hundred_thousand) {
    enum { N = 100000 };
    unsigned n = scaled(N);
    task **in = calloc(n, sizeof *in), *all, *any;
    task_pool *pool = pool_of(2);
    gate hold = GATE_INIT;
    task *held[2];
    atomic_int ran = 0;
    big b = {0, 0};
    task_value v;
    for (unsigned i = 0; i < 2; i++)
        held[i] = run_in(pool, wait_at_gate, &hold);
    gate_await(&hold, 2);
    for (unsigned i = 0; i < n; i++)
        in[i] = run_in(pool, count_up, &ran);
    all = when_all(in, n);
    any = when_any(in, n);
    ck_assert_ptr_nonnull(all);
    ck_assert_ptr_nonnull(any);
    gate_open(&hold); /* all of them are unended when the waiting begins */
    ck_assert_int_eq(when_each(in, n, add_index, &b), 0);
    ck_assert_uint_eq(b.calls, n);
    ck_assert_uint_eq(b.sum, (uint64_t)n * (n - 1) / 2);
    ck_assert_int_eq(task_join(all, NULL), 0);
    ck_assert_int_eq(task_join(any, &v), 0);
    ck_assert_uint_lt(v.u64, n);
    ck_assert_int_eq(when_each(in, n, add_index, &b), 0); /* and all of them ended */
    ck_assert_uint_eq(b.calls, 2 * n);
    for (unsigned i = 0; i < n; i++)
        task_release(in[i]);
    for (unsigned i = 0; i < 2; i++)
        task_release(held[i]);
    free(in);
    close_pool(pool);
}
END_TEST

static int each_of_each(void *context, size_t index, task *done) {
    unsigned *depth = context, less = *depth - 1;
    task *in[2] = {done, done};
    (void)index;
    return *depth > 0 ? when_each(in, 2, each_of_each, &less) : 0;
}

START_TEST(when_each_may_be_called_from_its_own_callback) {
    unsigned depth = 8;
    task *t = task_from_value(as_i64(1));
    ck_assert_int_eq(when_each(&t, 1, each_of_each, &depth), 0);
    task_release(t);
}
END_TEST

/* ---- bad input ---- */

START_TEST(null_inputs_are_refused_and_keep_nothing) {
    task *t = task_from_value(as_i64(1));
    each_log log = {.thread = my_tid()};
    for (unsigned n = 1; n <= 5; n++)
        for (unsigned hole = 0; hole < n; hole++) {
            task *in[5] = {t, t, t, t, t};
            in[hole] = NULL;
            log.in = in;
            errno = 0;
            ck_assert_ptr_null(when_all(in, n));
            ck_assert_int_eq(errno, EINVAL);
            errno = 0;
            ck_assert_ptr_null(when_any(in, n));
            ck_assert_int_eq(errno, EINVAL);
            ck_assert_int_eq(when_each(in, n, note_each, &log), EINVAL);
            ck_assert_uint_eq(log.n, 0);
        }
    errno = 0;
    ck_assert_ptr_null(when_all(NULL, 3));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(when_any(NULL, 3));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(when_any(NULL, 0));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(when_any(&t, 0));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(when_each(NULL, 3, note_each, &log), EINVAL);
    ck_assert_int_eq(when_each(&t, 1, NULL, NULL), EINVAL);
    ck_assert_int_eq(task_join(t, NULL), 0);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("when");
    TCase *c = case_in(s, "when_all");
    tcase_add_test(c, when_all_of_nothing_has_ended_already);
    tcase_add_loop_test(c, when_all_gives_the_first_failing_indexs_code_whatever_the_order, 0, FAILINGS);
    tcase_add_test(c, duplicate_inputs_are_fine);
    tcase_add_test(c, array_literals_fit_into_the_macros);
    tcase_add_test(c, combinators_nest_over_combinators);
    tcase_add_test(c, everything_the_inputs_did_happens_before_the_end);
    tcase_add_test(c, awaiting_when_all_on_a_worker_of_one_runs_what_nobody_has_begun);
    tcase_add_test(c, combinators_outlive_pools);
    tcase_add_test(c, combinators_let_go_of_every_input_in_the_end);
    c = case_in(s, "when_any");
    tcase_add_test(c, when_any_gives_the_index_that_ended_first_and_its_own_code_is_0);
    tcase_add_test(c, when_any_over_ended_inputs_gives_the_lowest_index);
    tcase_add_test(c, inputs_that_end_at_once_race_and_one_wins);
    tcase_add_loop_test(c, a_million_when_any_over_one_that_never_ends_stay_in_bounded_memory, 0, 4);
    tcase_add_test(c, when_any_over_running_tasks_and_one_that_never_ends_stays_in_bounded_memory);
    tcase_add_test(c, when_any_lets_go_of_its_losers_at_once);
    c = case_in(s, "when_each");
    tcase_add_test(c, when_each_calls_in_order_of_completion_and_stops_when_told);
    tcase_add_test(c, when_each_of_nothing_or_of_duplicates);
    tcase_add_test(c, when_each_that_is_stopped_lets_the_rest_go_and_the_rest_go_on);
    tcase_add_test(c, when_each_when_all_and_when_any_take_a_hundred_thousand);
    tcase_add_test(c, when_each_may_be_called_from_its_own_callback);
    tcase_add_test(c, null_inputs_are_refused_and_keep_nothing);
    return s;
}

int main(int argc, char **argv) { return suite_main(argc, argv, make, NULL, 0); }
