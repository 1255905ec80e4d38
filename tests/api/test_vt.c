/* tests/api/test_vt.c: what <vtask/vt.h> promises of value-tasks used rightly: values, errors and tasks behind them. */
#include "api.h"

_Static_assert(sizeof(vt) == 16, "a value-task is two words");

static const int64_t values[] = {0, 1, -1, 255, 256, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 0x5a5a5a5a5a5a5a5a};
static const int errors[] = {1,
                             EINVAL,
                             EAGAIN,
                             ENOMEM,
                             VTASK_E_CYCLE,
                             VTASK_E_OVERFLOW,
                             VT_E_REPEATED,
                             VT_E_CONCURRENT,
                             VT_E_EMPTY,
                             VT_E_STALE,
                             255,
                             256,
                             65535,
                             65536,
                             INT32_MAX,
                             -1,
                             -4097,
                             INT32_MIN};

/* ---- every kind, consumed in every way ---- */

enum kind { VALUE, TASK_ENDED, TASK_UNSTARTED, TASK_RUNNING_, SOURCE_SET, SOURCE_PENDING, KINDS };
enum use { AWAIT, AWAIT_NO_RESULT, AWAIT_NOW, AS_TASK, DISCARD, USES };

typedef struct matter {
    int error; /* 0: value */
    int64_t value;
    gate *hold;
    atomic_int freed;
} matter;

static atomic_int freed_values;
static void free_matter(task_value v) {
    (void)v;
    atomic_fetch_add(&freed_values, 1);
}

static int give_matter(void *arg, task_value *result) {
    matter *m = arg;
    if (m->hold != NULL)
        gate_pass(m->hold);
    result->i64 = m->value; /* written even if the outcome is an error: must not leak out */
    return m->error;
}

static int give_outcome(void *arg, task_value *result) {
    matter *m = arg;
    result->i64 = m->value;
    return m->error;
}

static void set_source(vt_source *s, const matter *m) {
    must((m->error ? vt_source_set_error(s, m->error) : vt_source_set_value(s, as_i64(m->value))) == 0);
}

typedef struct later {
    enum kind kind;
    gate *hold;
    vt_source *source;
    const matter *m;
    gate go;
} later;

static void *complete_later(void *arg) {
    later *l = arg;
    gate_pass(&l->go);
    if (l->kind == SOURCE_PENDING)
        set_source(l->source, l->m);
    gate_open(l->hold);
    return NULL;
}

static void check_outcome(const matter *m, int err, task_value got) {
    must(err == m->error);
    must(got.i64 == (err ? 0x77 : m->value));
}

static void use_once(enum kind kind, enum use use, matter *m, task_pool *pool) {
    gate hold = GATE_INIT;
    vt_source source;
    later l = {kind, &hold, &source, m, GATE_INIT};
    task_options o = TASK_OPTIONS_INIT;
    task *blocker = NULL, *kept = NULL, *t;
    task_value got = as_i64(0x77);
    crew c = {.n = 0};
    vt v;
    bool pending = kind == TASK_UNSTARTED || kind == TASK_RUNNING_ || kind == SOURCE_PENDING;
    bool over_task = kind == TASK_ENDED || kind == TASK_UNSTARTED || kind == TASK_RUNNING_;
    int freed_before = atomic_load(&freed_values);

    vt_source_init(&source);
    m->hold = kind == TASK_RUNNING_ ? &hold : NULL;
    if (kind == TASK_UNSTARTED) {
        blocker = run_in(pool, wait_at_gate, &hold);
        gate_await(&hold, 1);
    }
    if (over_task) {
        o.pool = pool;
        o.free_value = free_matter;
        t = task_run_with(&o, kind == TASK_RUNNING_ ? give_matter : give_outcome, m);
        must(t != NULL);
        if (kind == TASK_RUNNING_)
            gate_await(&hold, 1);
        if (kind == TASK_ENDED)
            until(task_status(t) >= TASK_SUCCEEDED);
        if (use == DISCARD)
            kept = task_retain(t); /* to know when it has ended */
        v = vt_from_task(t);
    } else if (kind == VALUE) {
        v = m->error ? vt_from_error(m->error) : vt_from_value(as_i64(m->value));
    } else {
        v = vt_from_source(&source);
        if (kind == SOURCE_SET)
            set_source(&source, m);
    }
    must(vt_is_completed(&v) == !pending);
    must(vt_is_completed(&v) == !pending); /* looking does not consume */
    if (pending)
        crew_add(&c, complete_later, &l);
    if (pending)
        gate_open(&l.go);
    switch (use) {
    case AWAIT: {
        int err = vt_await(&v, &got);
        check_outcome(m, err, got);
        break;
    }
    case AWAIT_NO_RESULT:
        must(vt_await(&v, NULL) == m->error);
        break;
    case AWAIT_NOW: {
        int err = vt_await_now(v, &got);
        check_outcome(m, err, got);
        break;
    }
    case AS_TASK:
        t = vt_as_task(&v);
        must(t != NULL);
        for (unsigned i = 0; i < 3; i++) {
            got = as_i64(0x77);
            int err = task_await(t, &got);
            check_outcome(m, err, got);
        }
        must(task_error(t) == m->error);
        task_release(t);
        break;
    default:
        vt_discard(&v);
        break;
    }
    if (use != AWAIT_NOW)
        must(vt_is_completed(&v)); /* spent: an await would return at once */
    crew_join(&c);
    if (blocker != NULL)
        must(task_join(blocker, NULL) == 0);
    if (kept != NULL)
        must(task_join(kept, NULL) == m->error);
    if (over_task && m->error == 0)
        until(atomic_load(&freed_values) == freed_before + 1);
    until(vt_source_fini(&source) == 0);
}

START_TEST(every_kind_gives_its_outcome_to_every_consumer) {
    task_pool *pool = pool_of(1);
    listen_to_reports();
    for (int kind = 0; kind < KINDS; kind++) {
        bool quick = kind == VALUE || kind == SOURCE_SET;
        for (size_t i = 0; i < COUNT(values) + COUNT(errors); i += quick ? 1 : 3) {
            matter m = {0, 0x1234, NULL, 0};
            if (i < COUNT(values))
                m.value = values[i];
            else
                m.error = errors[i - COUNT(values)];
            use_once((enum kind)kind, (enum use)_i, &m, pool);
        }
    }
    close_pool(pool);
    ck_assert_uint_eq(reports_count(&heard), 0); /* codes that look like misuse are outcomes like any other */
}
END_TEST

/* ---- on workers ---- */

static int use_on_worker(void *arg, task_value *result) {
    matter m = {0, 55, NULL, 0};
    (void)arg;
    for (unsigned i = 0; i < 50; i++) {
        vt v = vt_from_task(task_run(give_outcome, &m));
        task_value got = as_i64(0);
        task *t;
        must(vt_await(&v, &got) == 0 && got.i64 == 55); /* unstarted, one worker: runs inline */
        must(vt_await_now(vt_from_task(task_run(give_outcome, &m)), &got) == 0 && got.i64 == 55);
        v = vt_from_task(task_run(give_outcome, &m));
        t = vt_as_task(&v);
        must(t != NULL);
        must(task_join(t, &got) == 0 && got.i64 == 55);
        v = vt_from_task(task_run(give_outcome, &m));
        vt_discard(&v);
        must(task_yield() == 0); /* m must outlive the discarded one's run */
    }
    result->i64 = 1;
    return 0;
}

START_TEST(worker_consumes_value_tasks_over_its_own_pools_tasks) {
    /* one worker, so that a yield is enough for a discarded task to have ended before its argument's frame */
    task_pool *pool = pool_of(1);
    ck_assert_int_eq(do_in(pool, use_on_worker, NULL), 0);
    close_pool(pool);
}
END_TEST

/* ---- errors at birth ---- */

START_TEST(value_task_without_a_task_fails_with_errno) {
    static const int codes[] = {ENOMEM, EAGAIN, EINVAL, VTASK_E_SHUTDOWN};
    vt v;
    listen_to_reports();
    for (size_t i = 0; i < COUNT(codes); i++) {
        errno = codes[i];
        v = vt_from_task(NULL);
        errno = 0;
        ck_assert(vt_is_completed(&v));
        ck_assert_int_eq(vt_await(&v, NULL), codes[i]);
    }
    errno = 0;
    v = vt_from_task(NULL);
    ck_assert_int_eq(vt_await(&v, NULL), EINVAL);
    v = vt_from_task(task_run(NULL, NULL));
    ck_assert_int_eq(vt_await(&v, NULL), EINVAL);
    v = vt_from_error(0);
    ck_assert_int_eq(vt_await(&v, NULL), EINVAL);
    v = vt_from_source(NULL);
    ck_assert_int_eq(vt_await(&v, NULL), EINVAL);
    ck_assert_int_eq(vt_await_now(vt_from_source(NULL), NULL), EINVAL);
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

/* ---- thirty-two before one task ---- */

enum { PLACES = 32 };

typedef struct place {
    vt v;
    pthread_barrier_t *start;
    int err;
    task_value got;
} place;

static void *await_place(void *arg) {
    place *p = arg;
    pthread_barrier_wait(p->start);
    p->err = vt_await(&p->v, &p->got);
    return NULL;
}

START_TEST(thirty_two_value_tasks_stand_before_one_task_and_one_more_overflows) {
    task_pool *pool = pool_of(1);
    gate hold = GATE_INIT;
    task *t = run_in(pool, wait_at_gate, &hold);
    place places[PLACES];
    pthread_barrier_t start;
    crew c = {.n = 0};
    vt extra;
    listen_to_reports();
    pthread_barrier_init(&start, NULL, PLACES + 1);
    for (unsigned i = 0; i < PLACES; i++) {
        places[i].v = vt_from_task(task_retain(t));
        places[i].start = &start;
        places[i].got = as_i64(0);
        ck_assert(!vt_is_completed(&places[i].v));
    }
    for (unsigned i = 0; i < 3; i++) {
        extra = vt_from_task(t); /* refused: the reference stays ours */
        ck_assert(vt_is_completed(&extra));
        ck_assert_int_eq(vt_await(&extra, NULL), VTASK_E_OVERFLOW);
    }
    /* each way of consuming gives the place back */
    for (unsigned round = 0; round < 200; round++) {
        unsigned i = round % PLACES;
        if (round % 2 == 0)
            vt_discard(&places[i].v);
        else
            task_release(vt_as_task(&places[i].v));
        places[i].v = vt_from_task(task_retain(t));
        ck_assert(!vt_is_completed(&places[i].v));
    }
    for (unsigned i = 0; i < PLACES; i++)
        crew_add(&c, await_place, &places[i]);
    pthread_barrier_wait(&start);
    gate_open(&hold);
    crew_join(&c);
    for (unsigned i = 0; i < PLACES; i++) {
        ck_assert_int_eq(places[i].err, 0);
        ck_assert_int_eq(places[i].got.i64, 7);
    }
    for (unsigned i = 0; i < 1000; i++) { /* and the await, too */
        vt v = vt_from_task(task_retain(t));
        task_value got = as_i64(0);
        ck_assert_int_eq(vt_await(&v, &got), 0);
        ck_assert_int_eq(got.i64, 7);
    }
    ck_assert_int_eq(task_await(t, NULL), 0);
    task_release(t);
    close_pool(pool);
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

START_TEST(value_task_made_ready_by_32_threads_at_once_keeps_count) {
    /* making and consuming from many threads: never more than 32 out, nobody refused for nothing after all are back */
    task *t = task_from_value(as_i64(3));
    listen_to_reports();
    for (unsigned round = 0; round < scaled(50); round++) {
        place places[PLACES];
        pthread_barrier_t start;
        crew c = {.n = 0};
        pthread_barrier_init(&start, NULL, PLACES);
        for (unsigned i = 0; i < PLACES; i++) {
            places[i].v = vt_from_task(task_retain(t));
            places[i].start = &start;
            crew_add(&c, await_place, &places[i]);
        }
        crew_join(&c);
        for (unsigned i = 0; i < PLACES; i++)
            must(places[i].err == 0 && places[i].got.i64 == 3);
        pthread_barrier_destroy(&start);
    }
    ck_assert_int_eq(task_join(t, NULL), 0);
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

/* ---- as tasks ---- */

START_TEST(converted_value_tasks_are_fit_for_combinators) {
    task_pool *pool = pool_of(1);
    gate hold = GATE_INIT;
    vt_source s;
    vt v[4];
    task *t[4], *all;
    vt_source_init(&s);
    v[0] = vt_from_value(as_i64(1));
    v[1] = vt_from_error(33);
    v[2] = vt_from_task(run_in(pool, wait_at_gate, &hold));
    v[3] = vt_from_source(&s);
    for (unsigned i = 0; i < 4; i++) {
        t[i] = vt_as_task(&v[i]);
        ck_assert_ptr_nonnull(t[i]);
        ck_assert_uint_ne(task_id(t[i]), 0);
    }
    all = when_all(t, 4);
    ck_assert_int_eq(task_error(all), EAGAIN);
    gate_open(&hold);
    ck_assert_int_eq(vt_source_set_error(&s, 44), 0);
    ck_assert_int_eq(task_join(all, NULL), 33);
    ck_assert_int_eq(task_error(t[3]), 44);
    for (unsigned i = 0; i < 4; i++)
        task_release(t[i]);
    close_pool(pool);
    until(vt_source_fini(&s) == 0);
}
END_TEST

START_TEST(converted_task_released_early_still_lets_its_source_go) {
    vt_source s;
    vt_source_init(&s);
    for (unsigned i = 0; i < 1000; i++) {
        vt v = vt_from_source(&s);
        task *t = vt_as_task(&v);
        ck_assert_ptr_nonnull(t);
        if (i % 2)
            task_release(t);
        ck_assert_int_eq(vt_source_set_value(&s, as_i64(i)), 0);
        if (i % 2 == 0) {
            task_value got;
            ck_assert_int_eq(task_join(t, &got), 0);
            ck_assert_int_eq(got.i64, i);
        }
        ck_assert_int_eq(vt_source_reset(&s), 0);
    }
    ck_assert_int_eq(vt_source_fini(&s), 0);
}
END_TEST

/* ---- references ---- */

START_TEST(value_task_takes_the_reference_over_and_gives_it_back_when_spent) {
    task_pool *pool = pool_of(1);
    for (int use = 0; use < USES; use++)
        for (int kept = 0; kept < 2; kept++) {
            matter m = {0, 9, NULL, 0};
            task_options o = TASK_OPTIONS_INIT;
            int before = atomic_load(&freed_values);
            task *t, *as;
            vt v;
            o.pool = pool;
            o.free_value = free_matter;
            t = task_run_with(&o, give_outcome, &m);
            must(task_await(t, NULL) == 0);
            until(task_status(t) == TASK_SUCCEEDED);
            v = vt_from_task(kept ? task_retain(t) : t);
            ck_assert_int_eq(atomic_load(&freed_values), before);
            switch (use) {
            case AWAIT:
            case AWAIT_NO_RESULT:
                ck_assert_int_eq(vt_await(&v, NULL), 0);
                break;
            case AWAIT_NOW:
                ck_assert_int_eq(vt_await_now(v, NULL), 0);
                break;
            case AS_TASK:
                as = vt_as_task(&v);
                ck_assert_int_eq(atomic_load(&freed_values), before);
                task_release(as);
                break;
            default:
                vt_discard(&v);
                break;
            }
            if (kept) {
                ck_assert_int_eq(atomic_load(&freed_values), before);
                task_release(t);
            }
            until(atomic_load(&freed_values) == before + 1);
        }
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&freed_values), USES * 2);
}
END_TEST

START_TEST(discarded_value_tasks_work_goes_on) {
    task_pool *pool = pool_of(1);
    gate hold = GATE_INIT;
    matter m = {0, 9, &hold, 0};
    vt v = vt_from_task(run_in(pool, give_matter, &m));
    vt_discard(&v);
    gate_await(&hold, 1);
    gate_open(&hold);
    close_pool(pool);
}
END_TEST

/* ---- handed from thread to thread ---- */

typedef struct hand_over {
    vt v;
    gate put;
    int64_t plain;
    int64_t got;
} hand_over;

static int set_plain(void *arg, task_value *result) {
    hand_over *h = arg;
    h->plain = 99;
    result->i64 = 98;
    return 0;
}

static void *take_over(void *arg) {
    hand_over *h = arg;
    task_value got;
    gate_pass(&h->put);
    must(vt_await(&h->v, &got) == 0);
    h->got = got.i64 + h->plain; /* plain memory: the await carried it */
    return NULL;
}

START_TEST(value_task_may_be_awaited_by_another_thread_than_its_maker) {
    task_pool *pool = pool_of(2);
    for (unsigned i = 0; i < scaled(500); i++) {
        hand_over h = {.put = GATE_INIT};
        crew c = {.n = 0};
        crew_add(&c, take_over, &h);
        h.v = vt_from_task(run_in(pool, set_plain, &h));
        gate_open(&h.put);
        crew_join(&c);
        must(h.got == 197);
    }
    close_pool(pool);
}
END_TEST

START_TEST(nothing_is_left_behind_by_a_million_value_tasks) {
    size_t before = 0, after;
    unsigned n = scaled(1000000);
    for (unsigned i = 0; i < n; i++) {
        vt v = i % 2 ? vt_from_value(as_i64(i)) : vt_from_error((int)i + 1);
        task_value got = as_i64(-1);
        int err = i % 3 ? vt_await(&v, &got) : vt_await_now(v, &got);
        must(err == (i % 2 ? 0 : (int)i + 1));
        must(got.i64 == (i % 2 ? (int64_t)i : -1));
        if (i == n / 10)
            before = resident_bytes();
    }
    after = resident_bytes();
    if (!UNDER_SANITIZER)
        ck_assert_uint_lt(after, before + (2u << 20));
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("value-task");
    TCase *c = case_in(s, "outcomes");
    tcase_add_loop_test(c, every_kind_gives_its_outcome_to_every_consumer, 0, USES);
    tcase_add_test(c, worker_consumes_value_tasks_over_its_own_pools_tasks);
    tcase_add_test(c, value_task_without_a_task_fails_with_errno);
    tcase_add_test(c, value_task_may_be_awaited_by_another_thread_than_its_maker);
    c = case_in(s, "places and references");
    tcase_add_test(c, thirty_two_value_tasks_stand_before_one_task_and_one_more_overflows);
    tcase_add_test(c, value_task_made_ready_by_32_threads_at_once_keeps_count);
    tcase_add_test(c, converted_value_tasks_are_fit_for_combinators);
    tcase_add_test(c, converted_task_released_early_still_lets_its_source_go);
    tcase_add_test(c, value_task_takes_the_reference_over_and_gives_it_back_when_spent);
    tcase_add_test(c, discarded_value_tasks_work_goes_on);
    tcase_add_test(c, nothing_is_left_behind_by_a_million_value_tasks);
    return s;
}

int main(int argc, char **argv) { return suite_main(argc, argv, make, NULL, 0); }
