/* tests/api/test_child.c: what <vtask/child.h> promises: fork and join, once, by the owner; else a report, or the end. */
#include "api.h"

_Static_assert(sizeof(vt_child) <= 64, "a child fits a cache line");

/* ---- outcomes ---- */

typedef struct work {
    int code;
    bool writes;
    int64_t value;
    atomic_int calls;
    uint64_t thread;
    int64_t plain;
} work;

static int do_work(void *arg, task_value *result) {
    work *w = arg;
    must(result != NULL && result->u64 == 0);
    atomic_fetch_add(&w->calls, 1);
    w->thread = my_tid();
    w->plain += 1; /* plain: fork and join order it */
    if (w->writes)
        result->i64 = w->value;
    return w->code;
}

enum order { LAST_FIRST, FIRST_FIRST, EVENS_THEN_ODDS, ORDERS };

typedef struct brood {
    unsigned n;
    enum order order;
    unsigned rounds;
} brood;

static unsigned nth(enum order order, unsigned i, unsigned n) {
    if (order == LAST_FIRST)
        return n - 1 - i;
    if (order == FIRST_FIRST)
        return i;
    return i < (n + 1) / 2 ? 2 * i : 2 * (i - (n + 1) / 2) + 1;
}

static int fork_and_join(void *arg, task_value *result) {
    static const work kinds[] = {{.code = 0, .writes = true, .value = INT64_MIN},
                                 {.code = 0, .writes = false},
                                 {.code = 5, .writes = true, .value = 44},
                                 {.code = EAGAIN},
                                 {.code = VT_E_REPEATED, .writes = true},
                                 {.code = VTASK_E_CYCLE},
                                 {.code = -9}};
    brood *b = arg;
    vt_child *c = calloc(b->n + 1, sizeof *c);
    work *w = calloc(b->n + 1, sizeof *w);
    for (unsigned round = 0; round < b->rounds; round++) {
        for (unsigned i = 0; i < b->n; i++) {
            const work *k = &kinds[(i + round) % COUNT(kinds)];
            w[i].code = k->code;
            w[i].writes = k->writes;
            w[i].value = k->value;
            atomic_store(&w[i].calls, 0);
            w[i].plain = 41;
            vt_fork(&c[i], do_work, &w[i]);
        }
        for (unsigned i = 0; i < b->n; i++) {
            unsigned k = nth(b->order, i, b->n);
            task_value v = as_i64(-7);
            int err = vt_join(&c[k], i % 5 == 4 ? NULL : &v);
            must(err == w[k].code);
            if (i % 5 == 4 || err != 0)
                must(v.i64 == -7);
            else
                must(v.i64 == (w[k].writes ? w[k].value : 0));
            must(atomic_load(&w[k].calls) == 1);
            must(w[k].plain == 42);
        }
    }
    free(c);
    free(w);
    result->i64 = 1;
    return 0;
}

static const unsigned broods[] = {1, 2, 3, 5, 31, 64, 65, 200, 1000};

START_TEST(child_runs_once_and_gives_its_outcome_in_whatever_order_it_is_joined) {
    listen_to_reports();
    for (unsigned workers = 0; workers <= 4; workers++) {
        task_pool *pool = workers > 0 ? pool_of(workers) : NULL;
        for (int order = 0; order < ORDERS; order++)
            for (size_t i = 0; i < COUNT(broods); i++) {
                brood b = {broods[i], (enum order)order, scaled(broods[i] > 64 ? 4 : 16)};
                task_value v;
                if (pool != NULL)
                    must(task_join(run_in(pool, fork_and_join, &b), NULL) == 0);
                else
                    must(fork_and_join(&b, &v) == 0);
            }
        if (pool != NULL)
            close_pool(pool);
    }
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

START_TEST(hundred_thousand_children_at_once) {
    brood b = {scaled(100000), (enum order)_i, 1};
    task_pool *pool = pool_of(2);
    ck_assert_int_eq(do_in(pool, fork_and_join, &b), 0);
    close_pool(pool);
}
END_TEST

START_TEST(outside_a_pool_a_fork_runs_at_its_join) {
    work w = {.code = 0, .writes = true, .value = 8};
    vt_child c;
    task_value v;
    vt_fork(&c, do_work, &w);
    ck_assert_int_eq(atomic_load(&w.calls), 0);
    task_yield();
    ck_assert_int_eq(atomic_load(&w.calls), 0);
    ck_assert_int_eq(vt_join(&c, &v), 0);
    ck_assert_int_eq(v.i64, 8);
    ck_assert_int_eq(atomic_load(&w.calls), 1);
    ck_assert_uint_eq(w.thread, my_tid());
}
END_TEST

/* ---- recursion ---- */

static int fib(void *arg, task_value *result) {
    int64_t n = *(int64_t *)arg, less_one = n - 1, less_two = n - 2;
    vt_child left;
    task_value l = as_i64(0), r = as_i64(0);
    if (n < 2) {
        result->i64 = n;
        return 0;
    }
    vt_fork(&left, fib, &less_one);
    must(fib(&less_two, &r) == 0);
    must(vt_join(&left, &l) == 0);
    result->i64 = l.i64 + r.i64;
    return 0;
}

START_TEST(recursion_of_children_is_right_on_every_width) {
    task_pool *pool = pool_of((unsigned)_i);
    int64_t n = UNDER_SANITIZER ? 16 : 23, expected = UNDER_SANITIZER ? 987 : 28657;
    task_pool_stats s = TASK_POOL_STATS_INIT;
    listen_to_reports();
    for (unsigned i = 0; i < 5; i++) {
        task_value v;
        ck_assert_int_eq(task_join(run_in(pool, fib, &n), &v), 0);
        ck_assert_int_eq(v.i64, expected);
    }
    task_pool_get_stats(pool, &s);
    ck_assert_uint_le(s.threads, 256);
    close_pool(pool);
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

START_TEST(many_tasks_recurse_by_children_at_once) {
    enum { N = 64 };
    task_pool *pool = pool_of(3);
    int64_t n = UNDER_SANITIZER ? 11 : 17, expected = UNDER_SANITIZER ? 89 : 1597;
    task *t[N];
    for (unsigned i = 0; i < N; i++)
        t[i] = run_in(pool, fib, &n);
    for (unsigned i = 0; i < N; i++) {
        task_value v;
        ck_assert_int_eq(task_join(t[i], &v), 0);
        ck_assert_int_eq(v.i64, expected);
    }
    close_pool(pool);
}
END_TEST

/* ---- children that others take ---- */

typedef struct taken {
    atomic_int begun;
    gate *hold;
    uint64_t thread, task;
    task_pool *pool;
} taken;

static int be_taken(void *arg, task_value *result) {
    taken *x = arg;
    x->thread = my_tid();
    x->task = task_id(task_current());
    x->pool = task_pool_current();
    atomic_store(&x->begun, 1);
    gate_pass(x->hold);
    result->i64 = 12;
    return 0;
}

static int nothing(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    return 0;
}

/* Forks and joins until a thief has taken x. */
static void offer(taken *x) {
    double limit = now() + WAIT_LIMIT;
    while (!atomic_load(&x->begun)) {
        vt_child other;
        vt_fork(&other, nothing, NULL);
        must(vt_join(&other, NULL) == 0);
        must(now() < limit);
    }
}

typedef struct parent {
    taken x;
    gate joining;
    task_value v;
    uint64_t thread, task;
} parent;

static int parent_of_taken(void *arg, task_value *result) {
    parent *p = arg;
    vt_child c;
    (void)result;
    p->thread = my_tid();
    p->task = task_id(task_current());
    vt_fork(&c, be_taken, &p->x);
    offer(&p->x);
    gate_arrive(&p->joining);
    must(vt_join(&c, &p->v) == 0);
    return 0;
}

static int count_up(void *arg, task_value *result) {
    (void)result;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

START_TEST(hungry_worker_takes_a_child_and_the_join_waits_for_it) {
    task_pool *pool = pool_of(2);
    for (unsigned i = 0; i < scaled(200); i++) {
        gate hold = GATE_INIT;
        parent p = {.x = {.hold = &hold}, .joining = GATE_INIT};
        task *t = run_in(pool, parent_of_taken, &p);
        atomic_int ran = 0;
        gate_await(&p.joining, 1);
        must(do_in(pool, count_up, &ran) == 0); /* the join blocks; the pool's width is kept */
        gate_open(&hold);
        must(task_join(t, NULL) == 0);
        must(p.v.i64 == 12);
        must(p.x.thread != p.thread);
        must(p.x.task == p.task); /* a child's task is the one that forked it */
        must(p.x.pool == pool);
    }
    close_pool(pool);
}
END_TEST

/* ---- misuse ---- */

typedef struct misuse {
    vt_child c;
    work w;
    task *other;
    int codes[8];
    uint64_t thread, task;
} misuse;

static int join_twice(void *arg, task_value *result) {
    misuse *m = arg;
    task_value v = as_i64(-7);
    (void)result;
    m->thread = my_tid();
    m->task = task_id(task_current());
    vt_fork_at(&m->c, do_work, &m->w, "fork.c:1");
    m->codes[0] = vt_join_at(&m->c, &v, "join.c:2");
    v = as_i64(-7);
    m->codes[1] = vt_join_at(&m->c, &v, "again.c:3");
    m->codes[2] = vt_join_at(&m->c, &v, "again.c:4");
    must(v.i64 == -7);
    return 0;
}

static void check_twice(const misuse *m, int outcome) {
    ck_assert_int_eq(m->codes[0], outcome);
    ck_assert_int_eq(m->codes[1], VT_E_REPEATED);
    ck_assert_int_eq(m->codes[2], VT_E_REPEATED);
    ck_assert_int_eq(atomic_load(&m->w.calls), 1);
    ck_assert_uint_eq(reports_count(&heard), 2);
    for (unsigned i = 0; i < 2; i++) {
        const report *r = &heard.kept[i];
        ck_assert_int_eq(r->code, VT_E_REPEATED);
        ck_assert_str_eq(r->where, i == 0 ? "again.c:3" : "again.c:4");
        /* the call that spent it, or that forked the child */
        ck_assert_msg(is_one_of(r->first_where, "join.c:2", "fork.c:1"), "first_where: %s", r->first_where);
        ck_assert_uint_eq(r->thread, m->thread);
        ck_assert_uint_eq(r->task, m->task);
        ck_assert_ptr_nonnull(strstr(r->text, r->where));
        ck_assert_ptr_nonnull(strstr(r->text, r->first_where));
    }
}

START_TEST(second_join_is_repeated_and_reports_both_sites) {
    static const int outcomes[] = {0, 6, VT_E_NOT_OWNER};
    task_pool *pool = pool_of(2);
    for (size_t i = 0; i < COUNT(outcomes); i++)
        for (int outside = 0; outside < 2; outside++) {
            misuse m;
            task_value v;
            memset(&m, 0, sizeof m);
            m.w.code = outcomes[i];
            listen_to_reports();
            if (outside)
                must(join_twice(&m, &v) == 0);
            else
                must(do_in(pool, join_twice, &m) == 0);
            check_twice(&m, outcomes[i]);
        }
    close_pool(pool);
}
END_TEST

static int join_what_never_was(void *arg, task_value *result) {
    static const unsigned char fills[] = {0x00, 0xff, 0xaa, 0xcc, 0xa5, 0x7f};
    (void)arg;
    for (size_t i = 0; i < COUNT(fills); i++) {
        vt_child c;
        task_value v = as_i64(-7);
        int expected = fills[i] == 0 ? VT_E_EMPTY : VT_E_CORRUPT;
        memset(&c, fills[i], sizeof c);
        reports_clear(&heard);
        must(vt_join_at(&c, &v, "never.c:1") == expected);
        must(v.i64 == -7);
        must(reports_count(&heard) == 1);
        must(heard.kept[0].code == expected);
        must(strcmp(heard.kept[0].where, "never.c:1") == 0);
        must(heard.kept[0].thread == my_tid());
    }
    reports_clear(&heard);
    must(vt_join(NULL, NULL) == EINVAL);
    reports_clear(&heard);
    vt_fork_at(NULL, do_work, NULL, "null.c:1");
    must(reports_count(&heard) == 1);
    must(heard.kept[0].code == EINVAL);
    must(strcmp(heard.kept[0].where, "null.c:1") == 0);
    {
        vt_child c;
        vt_fork(&c, NULL, NULL);
        must(vt_join(&c, result) == EINVAL);
    }
    return 0;
}

START_TEST(join_of_what_was_never_forked_is_empty_corrupt_or_einval) {
    task_pool *pool = pool_of(1);
    task_value v;
    listen_to_reports();
    ck_assert_int_eq(join_what_never_was(NULL, &v), 0);
    ck_assert_int_eq(do_in(pool, join_what_never_was, NULL), 0);
    close_pool(pool);
}
END_TEST

/* ---- whose child ---- */

typedef struct stranger {
    vt_child *c;
    int code;
    uint64_t thread, task;
} stranger;

static int join_as_stranger(void *arg, task_value *result) {
    stranger *s = arg;
    task_value v = as_i64(-7);
    (void)result;
    s->thread = my_tid();
    s->task = task_id(task_current());
    s->code = vt_join_at(s->c, &v, "stranger.c:9");
    must(v.i64 == -7);
    return 0;
}

static void *join_on_thread(void *arg) {
    task_value ignored;
    join_as_stranger(arg, &ignored);
    return NULL;
}

enum who { BY_THREAD, BY_INLINE_TASK, BY_TASK_ELSEWHERE, WHOS };

typedef struct owner {
    enum who who;
    task_pool *other;
    stranger s;
    int code;
    task_value v;
    atomic_int calls;
} owner;

static int fork_and_let_strangers_try(void *arg, task_value *result) {
    owner *o = arg;
    work w = {.code = 0, .writes = true, .value = 15};
    vt_child c;
    crew k = {.n = 0};
    (void)result;
    vt_fork_at(&c, do_work, &w, "fork.c:1");
    o->s.c = &c;
    if (o->who == BY_THREAD)
        crew_add(&k, join_on_thread, &o->s);
    else if (o->who == BY_INLINE_TASK && task_pool_current() != NULL)
        must(task_join(task_run(join_as_stranger, &o->s), NULL) == 0);
    else
        must(do_in(o->other, join_as_stranger, &o->s) == 0);
    crew_join(&k);
    o->code = vt_join(&c, &o->v); /* the owner still can */
    o->calls = w.calls;
    return 0;
}

START_TEST(child_is_joined_by_nobody_but_the_task_that_forked_it) {
    task_pool *pool = pool_of(1), *other = pool_of(1);
    for (int who = 0; who < WHOS; who++)
        for (int outside = 0; outside < 2; outside++) {
            owner o = {.who = (enum who)who, .other = other};
            task_value ignored;
            listen_to_reports();
            if (outside)
                must(fork_and_let_strangers_try(&o, &ignored) == 0);
            else
                must(do_in(pool, fork_and_let_strangers_try, &o) == 0);
            ck_assert_int_eq(o.s.code, VT_E_NOT_OWNER);
            ck_assert_int_eq(o.code, 0);
            ck_assert_int_eq(o.v.i64, 15);
            ck_assert_int_eq(o.calls, 1);
            ck_assert_uint_eq(reports_count(&heard), 1);
            ck_assert_int_eq(heard.kept[0].code, VT_E_NOT_OWNER);
            ck_assert_str_eq(heard.kept[0].where, "stranger.c:9");
            ck_assert_str_eq(heard.kept[0].first_where, "fork.c:1");
            ck_assert_uint_eq(heard.kept[0].thread, o.s.thread);
            ck_assert_uint_eq(heard.kept[0].task, o.s.task);
            ck_assert_ptr_nonnull(strstr(heard.kept[0].text, "fork.c:1"));
            ck_assert_ptr_nonnull(strstr(heard.kept[0].text, "stranger.c:9"));
        }
    close_pool(pool);
    close_pool(other);
}
END_TEST

/* ---- children and everything else ---- */

typedef struct mixed {
    task_pool *other;
    unsigned depth;
} mixed;

static int do_everything(void *arg, task_value *result) {
    mixed *m = arg;
    mixed less = {m->other, m->depth - 1};
    vt_child c[2];
    task *t;
    task_value v[3] = {{0}, {0}, {0}};
    if (m->depth == 0) {
        result->i64 = 1;
        return 0;
    }
    vt_fork(&c[0], do_everything, &less);
    t = m->depth % 2 ? run_in(m->other, do_everything, &less) : task_run(do_everything, &less);
    vt_fork(&c[1], do_everything, &less);
    must(task_join(t, &v[2]) == 0);
    must(vt_join(&c[m->depth % 2], &v[0]) == 0);
    must(vt_join(&c[1 - m->depth % 2], &v[1]) == 0);
    result->i64 = v[0].i64 + v[1].i64 + v[2].i64;
    return 0;
}

START_TEST(children_tasks_and_pools_mix) {
    task_pool *a = pool_of((unsigned)_i), *b = pool_of(2);
    mixed m = {b, UNDER_SANITIZER ? 5 : 7};
    task_value v;
    listen_to_reports();
    ck_assert_int_eq(task_join(run_in(a, do_everything, &m), &v), 0);
    ck_assert_int_eq(v.i64, UNDER_SANITIZER ? 243 : 2187);
    close_pool(a);
    close_pool(b);
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

/* ---- the one misuse that aborts ---- */

static int leave_a_child(void *arg, task_value *result) {
    vt_child c;
    (void)arg;
    (void)result;
    vt_fork_at(&c, nothing, NULL, "unjoined.c:5");
    return 0;
}

static int leave_a_grandchild(void *arg, task_value *result) {
    vt_child c;
    vt_fork_at(&c, leave_a_child, arg, "joined.c:6");
    return vt_join(&c, result);
}

static int leave_an_inline_tasks_child(void *arg, task_value *result) {
    return task_join(task_run_at(leave_a_child, arg, "inner.c:8"), result);
}

static int leave_the_middle_one(void *arg, task_value *result) {
    vt_child c[3];
    (void)arg;
    (void)result;
    vt_fork_at(&c[0], nothing, NULL, "joined.c:6");
    vt_fork_at(&c[1], nothing, NULL, "unjoined.c:5");
    vt_fork_at(&c[2], nothing, NULL, "joined.c:6");
    vt_join(&c[2], NULL);
    vt_join(&c[0], NULL);
    return 7;
}

static int end_in(task_fn *fn, const char *where) {
    task_join(task_run_at(fn, NULL, where), NULL);
    return 42;
}

static int child_unjoined(void) { return end_in(leave_a_child, "maker.c:7"); }
static int child_grand(void) { return end_in(leave_a_grandchild, "maker.c:7"); }
static int child_inline(void) { return end_in(leave_an_inline_tasks_child, "outer.c:9"); }
static int child_middle(void) { return end_in(leave_the_middle_one, "maker.c:7"); }

static void speak(const vt_misuse *m, void *context) {
    (void)m;
    (void)context;
}

static int child_hooked(void) {
    vt_on_misuse(speak, NULL);
    return end_in(leave_a_child, "maker.c:7");
}

START_TEST(task_that_ends_with_an_unjoined_child_aborts_with_both_sites) {
    static const struct {
        const char *name, *options, *second;
        bool speaks;
    } cases[] = {
        {"unjoined", NULL, "maker.c:7", true},
        {"unjoined", "misuse=abort", "maker.c:7", true},
        {"unjoined", "misuse=quiet", NULL, false},
        {"grand", NULL, NULL, true},
        {"inline", NULL, "inner.c:8", true},
        {"middle", NULL, "maker.c:7", true},
        {"hooked", NULL, NULL, false},
    };
    static child_end end;
    /* a thief in the dead frame is a data race, rightly reported: the library's own report must come all the same */
    setenv("TSAN_OPTIONS", "halt_on_error=0", 1);
    run_child(cases[_i].name, cases[_i].options, &end);
    assert_aborts(&end);
    if (cases[_i].speaks)
        ck_assert_msg(strstr(end.err, "unjoined.c:5") != NULL, "it said: %s", end.err);
    if (cases[_i].speaks && strcmp(cases[_i].name, "grand") != 0)
        ck_assert_msg(strstr(end.err, "joined.c:6") == NULL, "it said: %s", end.err);
    if (cases[_i].second != NULL)
        ck_assert_msg(strstr(end.err, cases[_i].second) != NULL, "it said: %s", end.err);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("child");
    TCase *c = case_in(s, "fork and join");
    tcase_add_test(c, child_runs_once_and_gives_its_outcome_in_whatever_order_it_is_joined);
    tcase_add_loop_test(c, hundred_thousand_children_at_once, 0, ORDERS);
    tcase_add_test(c, outside_a_pool_a_fork_runs_at_its_join);
    tcase_add_loop_test(c, recursion_of_children_is_right_on_every_width, 1, 5);
    tcase_add_test(c, many_tasks_recurse_by_children_at_once);
    tcase_add_test(c, hungry_worker_takes_a_child_and_the_join_waits_for_it);
    tcase_add_loop_test(c, children_tasks_and_pools_mix, 1, 4);
    c = case_in(s, "misuse");
    tcase_add_test(c, second_join_is_repeated_and_reports_both_sites);
    tcase_add_test(c, join_of_what_was_never_forked_is_empty_corrupt_or_einval);
    tcase_add_test(c, child_is_joined_by_nobody_but_the_task_that_forked_it);
    tcase_add_loop_test(c, task_that_ends_with_an_unjoined_child_aborts_with_both_sites, 0, 7);
    return s;
}

int main(int argc, char **argv) {
    static const child_main children[] = {{"unjoined", child_unjoined},
                                          {"grand", child_grand},
                                          {"inline", child_inline},
                                          {"middle", child_middle},
                                          {"hooked", child_hooked}};
    return suite_main(argc, argv, make, children, COUNT(children));
}
