/* tests/api/test_vt_misuse.c: whatever is done wrongly with a value-task is detected and reported, with both sites.
 *
 * The product: what stands behind it x who spent it x who comes second x where both run; then many threads at once,
 * copies, memory that has been used again, and VTASK_OPTIONS in processes of their own.
 */
#include "api.h"

enum kind { VALUE, ERROR, TASK_ENDED, TASK_PENDING_, SOURCE_SET, SOURCE_PENDING, KINDS };
enum use { AWAIT, AS_TASK, DISCARD, AWAIT_NOW, USES };

static const int spent_code[] = {VT_E_REPEATED, VT_E_CONVERTED, VT_E_DISCARDED};

/* What a use came to. Discard tells its misuse only through the hook, on this thread. */
typedef struct came {
    int err;
    task_value value;
} came;

static _Thread_local int last_report_here;

static void record_here(const vt_misuse *m, void *context) {
    last_report_here = m->code;
    must(m->thread == my_tid());
    record(m, context);
}

static void listen_here(void) {
    reports_clear(&heard);
    vt_on_misuse(record_here, &heard);
}

static came use_at(enum use use, vt *v, const char *where) {
    came r = {0, as_i64(-7)};
    task *t;
    last_report_here = 0;
    switch (use) {
    case AWAIT: { /* by the function, and as it is inlined */
        static _Thread_local unsigned turn;
        r.err = turn++ % 2 ? vt_await_at(v, &r.value, where) : vtask_await(v, &r.value, where);
        break;
    }
    case AS_TASK:
        errno = 0;
        t = vt_as_task_at(v, where);
        if (t == NULL)
            r.err = errno;
        else
            r.err = task_join(t, &r.value);
        break;
    case DISCARD:
        vt_discard_at(v, where);
        r.err = last_report_here;
        break;
    default:
        r.err = vt_await_now_at(*v, &r.value, where);
        break;
    }
    return r;
}

/* ---- behind the value-task ---- */

typedef struct subject {
    enum kind kind;
    task_pool *pool;
    task *t;
    vt_source s;
    gate hold;
    const char *made;
    vt v;
} subject;

static int give_seven(void *arg, task_value *result) {
    (void)arg;
    result->i64 = 7;
    return 0;
}

static void subject_init(subject *x, enum kind kind, task_pool *pool) {
    task_options o = TASK_OPTIONS_INIT;
    x->kind = kind;
    x->pool = pool;
    x->t = NULL;
    x->made = NULL;
    gate_init(&x->hold);
    vt_source_init(&x->s);
    o.pool = pool;
    o.name = "behind";
    switch (kind) {
    case VALUE:
        x->v = vt_from_value(as_i64(7));
        break;
    case ERROR:
        x->v = vt_from_error(70);
        break;
    case TASK_ENDED:
    case TASK_PENDING_:
        x->made = "task.c:100";
        x->t = task_run_with_at(&o, kind == TASK_ENDED ? give_seven : wait_at_gate, &x->hold, x->made);
        must(x->t != NULL);
        if (kind == TASK_ENDED)
            must(task_await(x->t, NULL) == 0);
        x->v = vt_from_task(task_retain(x->t));
        break;
    default:
        x->made = "source.c:200";
        vt_source_init_at(&x->s, x->made);
        if (kind == SOURCE_SET)
            must(vt_source_set_value(&x->s, as_i64(7)) == 0);
        x->v = vt_from_source(&x->s);
        break;
    }
}

static bool is_pending(enum kind kind) { return kind == TASK_PENDING_ || kind == SOURCE_PENDING; }

static void subject_complete(subject *x) {
    gate_open(&x->hold);
    if (x->kind == SOURCE_PENDING)
        must(vt_source_set_value(&x->s, as_i64(7)) == 0);
}

static void subject_fini(subject *x) {
    if (x->t != NULL)
        (void)task_join(x->t, NULL); /* the gate lives as long as its task */
    until(vt_source_fini(&x->s) == 0);
}

static int outcome_of(enum kind kind) { return kind == ERROR ? 70 : 0; }

/* ---- two uses, one after the other ---- */

typedef struct actor {
    enum use use;
    vt *v;
    const char *where;
    bool in_task;
    came got;
    uint64_t thread, task;
} actor;

static int act(void *arg, task_value *value) {
    actor *a = arg;
    (void)value;
    a->thread = my_tid();
    a->task = task_id(task_current());
    a->got = use_at(a->use, a->v, a->where);
    return 0;
}

static void play(task_pool *pool, actor *a, const char *name) {
    task_options o = TASK_OPTIONS_INIT;
    task_value ignored;
    o.pool = pool;
    o.name = name;
    if (a->in_task)
        must(task_join(task_run_with(&o, act, a), NULL) == 0);
    else
        act(a, &ignored);
}

static void check_report(const report *r, const subject *x, const actor *first, const actor *second, int code) {
    ck_assert_int_eq(r->code, code);
    ck_assert_str_eq(r->where, second->where);
    ck_assert_str_eq(r->first_where, first->where);
    ck_assert_uint_eq(r->thread, second->thread);
    ck_assert_uint_eq(r->hook_thread, second->thread);
    ck_assert_uint_eq(r->task, second->task);
    ck_assert_str_eq(r->task_name, second->in_task ? "second-task" : NONE);
    if (code == VT_E_REPEATED) { /* knows the first thread and task */
        ck_assert_uint_eq(r->first_thread, first->thread);
        ck_assert_uint_eq(r->first_task, first->task);
        ck_assert(is_one_of(r->first_task_name, NONE, "first-task"));
    } else { /* as far as known, and never wrong */
        ck_assert(r->first_thread == 0 || r->first_thread == first->thread);
        ck_assert(r->first_task == 0 || r->first_task == first->task);
    }
    ck_assert(is_one_of(r->origin, NONE, x->made != NULL ? x->made : NONE));
    ck_assert_msg(strstr(r->text, second->where) != NULL, "text: %s", r->text);
    ck_assert_msg(strstr(r->text, first->where) != NULL, "text: %s", r->text);
    ck_assert_msg(mentions_number(r->text, second->thread), "thread %llu; text: %s", (unsigned long long)second->thread,
                  r->text);
    if (r->first_thread)
        ck_assert_msg(mentions_number(r->text, r->first_thread), "text: %s", r->text);
    if (r->task)
        ck_assert_msg(mentions_number(r->text, r->task), "text: %s", r->text);
    if (r->first_task)
        ck_assert_msg(mentions_number(r->text, r->first_task), "text: %s", r->text);
    if (second->in_task)
        ck_assert_msg(strstr(r->text, "second-task") != NULL, "text: %s", r->text);
    if (strcmp(r->origin, NONE) != 0)
        ck_assert_msg(strstr(r->text, r->origin) != NULL, "text: %s", r->text);
    ck_assert(r->text[0] != 0 && r->text[strlen(r->text) - 1] != '\n');
}

START_TEST(second_use_gets_its_code_and_reports_both_sites) {
    task_pool *pool = pool_of(2);
    enum kind kind = (enum kind)_i;
    for (int one = 0; one < 3; one++)
        for (int two = 0; two < USES; two++)
            for (int tasks = 0; tasks < 4; tasks++) {
                subject x;
                actor first = {(enum use)one, &x.v, "first.c:11", tasks & 1, {0, {0}}, 0, 0};
                actor second = {(enum use)two, &x.v, "second.c:22", tasks & 2, {0, {0}}, 0, 0};
                listen_here();
                subject_init(&x, kind, pool);
                subject_complete(&x);
                play(pool, &first, "first-task");
                ck_assert_int_eq(first.got.err, one == DISCARD ? 0 : outcome_of(kind));
                ck_assert_uint_eq(reports_count(&heard), 0);
                for (unsigned again = 1; again <= 3; again++) { /* and it stays so */
                    play(pool, &second, "second-task");
                    ck_assert_int_eq(second.got.err, spent_code[one]);
                    ck_assert_int_eq(second.got.value.i64, -7);
                    ck_assert_uint_eq(reports_count(&heard), again);
                    check_report(&heard.kept[again - 1], &x, &first, &second, spent_code[one]);
                }
                ck_assert(vt_is_completed(&x.v));
                ck_assert_uint_eq(reports_count(&heard), 3); /* looking is no misuse */
                subject_fini(&x);
            }
    close_pool(pool);
}
END_TEST

/* Who it was is kept ready by each thread: so threads and tasks, one after another on one worker, named and not, that the
 * library has seen before and that it has not. */
static void *act_in_thread(void *arg) {
    task_value ignored;
    act(arg, &ignored);
    return NULL;
}

START_TEST(first_user_is_named_whoever_used_value_tasks_before_it) {
    enum { HERE, THREAD, TASK, NAMED_TASK, OWN_THREAD, PLACES };
    static const enum kind kinds[] = {VALUE, ERROR, TASK_ENDED, SOURCE_SET};
    task_pool *pool = pool_of(1);
    for (unsigned i = 0; i < scaled(2000); i++) {
        enum kind kind = kinds[i % COUNT(kinds)];
        int place = (int)(i / COUNT(kinds)) % PLACES;
        subject x;
        actor first = {AWAIT, &x.v, "first.c:11", place >= TASK, {0, {0}}, 0, 0};
        task_options o = TASK_OPTIONS_INIT;
        crew c = {.n = 0};
        listen_here();
        subject_init(&x, kind, pool);
        if (place == HERE)
            act_in_thread(&first);
        if (place == THREAD)
            crew_add(&c, act_in_thread, &first);
        o.pool = pool;
        o.name = place == NAMED_TASK ? "first-task" : NULL;
        o.flags = place == OWN_THREAD ? TASK_LONG_RUNNING : 0;
        if (place >= TASK)
            must(task_join(task_run_with(&o, act, &first), NULL) == 0);
        crew_join(&c);
        must(first.got.err == outcome_of(kind));
        must(use_at(AWAIT, &x.v, "second.c:22").err == VT_E_REPEATED);
        must(heard.kept[0].first_thread == first.thread);
        must(heard.kept[0].first_task == first.task && (first.task != 0) == (place >= TASK));
        must(heard.kept[0].thread == my_tid() && heard.kept[0].task == 0);
        must(strcmp(heard.kept[0].first_where, "first.c:11") == 0);
        must(place != NAMED_TASK || strcmp(heard.kept[0].first_task_name, "first-task") == 0);
        subject_fini(&x);
    }
    close_pool(pool);
}
END_TEST

START_TEST(discarded_or_converted_while_pending_is_spent_as_well) {
    static const enum kind kinds[] = {TASK_PENDING_, SOURCE_PENDING};
    task_pool *pool = pool_of(1);
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int one = AS_TASK; one <= DISCARD; one++)
            for (int two = 0; two < USES; two++) {
                subject x;
                task *t = NULL;
                came r;
                listen_here();
                subject_init(&x, kinds[k], pool);
                if (one == AS_TASK)
                    t = vt_as_task_at(&x.v, "first.c:11");
                else
                    vt_discard_at(&x.v, "first.c:11");
                r = use_at((enum use)two, &x.v, "second.c:22");
                ck_assert_int_eq(r.err, spent_code[one]);
                ck_assert_uint_eq(reports_count(&heard), 1);
                ck_assert_str_eq(heard.kept[0].first_where, "first.c:11");
                ck_assert_str_eq(heard.kept[0].where, "second.c:22");
                subject_complete(&x);
                if (t != NULL) {
                    task_value v;
                    ck_assert_int_eq(task_join(t, &v), 0);
                    ck_assert_int_eq(v.i64, 7);
                }
                subject_fini(&x);
            }
    close_pool(pool);
}
END_TEST

START_TEST(second_await_reports_both_lines_of_this_file) {
    vt v = vt_from_value(as_i64(1));
    const char *first, *second;
    task *t;
    int err;
    listen_here();
    first = VTASK_WHERE, err = vt_await(&v, NULL);
    ck_assert_int_eq(err, 0);
    second = VTASK_WHERE, err = vt_await(&v, NULL);
    ck_assert_int_eq(err, VT_E_REPEATED);
    ck_assert_str_eq(heard.kept[0].first_where, first);
    ck_assert_str_eq(heard.kept[0].where, second);
    v = vt_from_value(as_i64(1));
    first = VTASK_WHERE, t = vt_as_task(&v);
    second = VTASK_WHERE, vt_discard(&v);
    ck_assert_int_eq(heard.kept[1].code, VT_E_CONVERTED);
    ck_assert_str_eq(heard.kept[1].first_where, first);
    ck_assert_str_eq(heard.kept[1].where, second);
    task_release(t);
    v = vt_from_value(as_i64(1));
    first = VTASK_WHERE, vt_discard(&v);
    second = VTASK_WHERE, t = vt_as_task(&v);
    ck_assert_ptr_null(t);
    ck_assert_int_eq(heard.kept[2].code, VT_E_DISCARDED);
    ck_assert_str_eq(heard.kept[2].first_where, first);
    ck_assert_str_eq(heard.kept[2].where, second);
    second = VTASK_WHERE, err = vt_await_now(v, NULL);
    ck_assert_int_eq(err, VT_E_DISCARDED);
    ck_assert_str_eq(heard.kept[3].where, second);
    ck_assert_ptr_nonnull(strstr(first, "test_vt_misuse.c:"));
}
END_TEST

START_TEST(calls_without_a_site_are_reported_all_the_same) {
    vt v = vt_from_value(as_i64(1));
    listen_here();
    ck_assert_int_eq(vt_await_at(&v, NULL, NULL), 0);
    ck_assert_int_eq(vt_await_at(&v, NULL, NULL), VT_E_REPEATED);
    ck_assert_uint_eq(reports_count(&heard), 1);
    ck_assert_str_eq(heard.kept[0].where, NONE);
    ck_assert_str_eq(heard.kept[0].first_where, NONE);
    v = vt_from_value(as_i64(1));
    vt_discard_at(&v, NULL);
    ck_assert_int_eq(vt_await(&v, NULL), VT_E_DISCARDED);
    v = vt_from_value(as_i64(1));
    task_release(vt_as_task_at(&v, NULL));
    ck_assert_int_eq(vt_await_at(&v, NULL, NULL), VT_E_CONVERTED);
}
END_TEST

/* ---- what never was a value-task ---- */

START_TEST(empty_struct_is_empty_and_a_broken_one_corrupt) {
    static const unsigned char fills[] = {0xff, 0xaa, 0xcc, 0xa5, 0xee, 0x7f};
    for (int use = 0; use < USES; use++) {
        vt v;
        came r;
        listen_here();
        memset(&v, 0, sizeof v);
        ck_assert(vt_is_completed(&v));
        r = use_at((enum use)use, &v, "empty.c:1");
        ck_assert_int_eq(r.err, VT_E_EMPTY);
        ck_assert_int_eq(r.value.i64, -7);
        ck_assert_uint_eq(reports_count(&heard), 1);
        ck_assert_int_eq(heard.kept[0].code, VT_E_EMPTY);
        ck_assert_str_eq(heard.kept[0].where, "empty.c:1");
        ck_assert_str_eq(heard.kept[0].first_where, NONE);
        for (size_t i = 0; i < COUNT(fills); i++) {
            reports_clear(&heard);
            memset(&v, fills[i], sizeof v);
            ck_assert(vt_is_completed(&v));
            r = use_at((enum use)use, &v, "broken.c:2");
            ck_assert_int_eq(r.err, VT_E_CORRUPT);
            ck_assert_int_eq(r.value.i64, -7);
            ck_assert_uint_eq(reports_count(&heard), 1);
            ck_assert_int_eq(heard.kept[0].code, VT_E_CORRUPT);
            ck_assert_str_eq(heard.kept[0].where, "broken.c:2");
            ck_assert_uint_eq(heard.kept[0].thread, my_tid());
        }
    }
}
END_TEST

/* ---- many at once ---- */

typedef struct racer {
    vt *v;
    pthread_barrier_t *start;
    gate *losers;
    enum use use;
    char where[32];
    came got;
    uint64_t thread, task;
    bool won;
} racer;

static int race(void *arg, task_value *value) {
    racer *r = arg;
    (void)value;
    r->thread = my_tid();
    r->task = task_id(task_current());
    if (r->start != NULL)
        pthread_barrier_wait(r->start);
    r->got = use_at(r->use, r->v, r->where);
    r->won = r->got.err < VTASK_E_BASE;
    if (!r->won)
        gate_arrive(r->losers);
    return 0;
}

static void *race_thread(void *arg) {
    task_value ignored;
    race(arg, &ignored);
    return NULL;
}

static const report *report_from(const char *where) {
    for (unsigned i = 0; i < heard.n && i < REPORTS_KEPT; i++)
        if (strcmp(heard.kept[i].where, where) == 0)
            return &heard.kept[i];
    return NULL;
}

static racer racers[400];

static void run_race(enum kind kind, unsigned n, bool mixed, task_pool *pool, bool as_tasks) {
    static pthread_barrier_t start;
    static task *tasks[400];
    subject x;
    gate losers = GATE_INIT;
    crew c = {.n = 0};
    const racer *winner = NULL;
    listen_here();
    subject_init(&x, kind, pool);
    if (!as_tasks)
        pthread_barrier_init(&start, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        racer *r = &racers[i];
        memset(r, 0, sizeof *r);
        r->v = &x.v;
        r->start = as_tasks ? NULL : &start;
        r->losers = &losers;
        r->use = mixed ? (enum use)(i % 3) : AWAIT;
        snprintf(r->where, sizeof r->where, "racer.c:%u", i + 1);
        if (as_tasks)
            tasks[i] = run_in(pool, race, r);
        else
            crew_add(&c, race_thread, r);
    }
    if (is_pending(kind)) {
        gate_await(&losers, n - 1); /* the losers return at once, with nothing completed yet */
        subject_complete(&x);
    }
    crew_join(&c);
    for (unsigned i = 0; as_tasks && i < n; i++)
        must(task_join(tasks[i], NULL) == 0);
    if (!as_tasks)
        pthread_barrier_destroy(&start);
    for (unsigned i = 0; i < n; i++)
        if (racers[i].won) {
            must(winner == NULL); /* exactly one */
            winner = &racers[i];
        }
    must(winner != NULL);
    if (winner->use == DISCARD)
        must(winner->got.err == 0);
    else
        must(winner->got.err == outcome_of(kind) && winner->got.value.i64 == (kind == ERROR ? -7 : 7));
    must(reports_count(&heard) == n - 1);
    for (unsigned i = 0; i < n; i++) {
        const racer *r = &racers[i];
        const report *p;
        if (r == winner)
            continue;
        must(r->got.value.i64 == -7);
        if (winner->use == AS_TASK)
            must(r->got.err == VT_E_CONVERTED);
        else if (winner->use == DISCARD)
            must(r->got.err == VT_E_DISCARDED);
        else if (is_pending(kind))
            must(r->got.err == VT_E_CONCURRENT);
        else
            must(r->got.err == VT_E_CONCURRENT || r->got.err == VT_E_REPEATED);
        p = report_from(r->where);
        must(p != NULL);
        must(p->code == r->got.err);
        must(strcmp(p->first_where, winner->where) == 0);
        must(p->thread == r->thread && p->hook_thread == r->thread);
        must(p->task == r->task);
        must(p->first_thread == 0 || p->first_thread == winner->thread);
        must(p->first_task == 0 || p->first_task == winner->task);
        must(strstr(p->text, r->where) != NULL && strstr(p->text, winner->where) != NULL);
    }
    subject_fini(&x);
}

/* Two threads that come to each of many ready values within a few instructions of each other. */
enum { NECKS_MOST = 400000 };

typedef struct runner {
    vt *v;
    unsigned n, index;
    atomic_uint *arrived;
    unsigned char *won;
} runner;

static void ignore(const vt_misuse *m, void *context) {
    (void)m;
    (void)context;
}

static void *run_neck_and_neck(void *arg) {
    runner *r = arg;
    for (unsigned i = 0; i < r->n; i++) {
        task_value got = as_i64(-7);
        atomic_fetch_add(r->arrived, 1);
        for (unsigned spin = 1; atomic_load(r->arrived) < 2 * (i + 1); spin++)
            if (spin % 4096 == 0)
                sched_yield(); /* the other may need this CPU */
        for (volatile unsigned spin = 0; i / 64 % 2 == r->index && spin < i % 64; spin++)
            continue;
        int err = i % 8 ? vt_await(&r->v[i], &got) : vt_await_at(&r->v[i], &got, "neck.c:1");
        must(err == 0 || err == VT_E_CONCURRENT || err == VT_E_REPEATED);
        must(got.i64 == (err == 0 ? (int64_t)i : -7));
        r->won[i] = err == 0;
    }
    return NULL;
}

START_TEST(two_awaits_neck_and_neck_have_one_winner) {
    static vt values[NECKS_MOST];
    static unsigned char won[2][NECKS_MOST];
    unsigned n = scaled(NECKS_MOST);
    atomic_uint arrived = 0;
    runner runners[2] = {{values, n, 0, &arrived, won[0]}, {values, n, 1, &arrived, won[1]}};
    crew c = {.n = 0};
    vt_on_misuse(ignore, NULL);
    for (unsigned i = 0; i < n; i++)
        values[i] = vt_from_value(as_i64(i));
    crew_add(&c, run_neck_and_neck, &runners[0]);
    crew_add(&c, run_neck_and_neck, &runners[1]);
    crew_join(&c);
    for (unsigned i = 0; i < n; i++)
        must(won[0][i] + won[1][i] == 1);
}
END_TEST

START_TEST(hundreds_of_concurrent_awaits_have_one_winner) {
    task_pool *pool = pool_of(2);
    for (unsigned round = 0; round < scaled(8); round++)
        run_race((enum kind)_i, 300, false, pool, false);
    for (unsigned round = 0; round < scaled(300); round++)
        run_race((enum kind)_i, 2 + round % 7, false, pool, false);
    close_pool(pool);
}
END_TEST

START_TEST(awaits_conversions_and_discards_at_once_have_one_winner) {
    task_pool *pool = pool_of(2);
    for (unsigned round = 0; round < scaled(4); round++)
        run_race((enum kind)_i, 150, true, pool, false);
    for (unsigned round = 0; round < scaled(300); round++)
        run_race((enum kind)_i, 3 + round % 6, true, pool, false);
    close_pool(pool);
}
END_TEST

START_TEST(tasks_of_a_pool_that_await_one_value_task_have_one_winner) {
    task_pool *pool = pool_of(2);
    for (unsigned round = 0; round < scaled(40); round++)
        run_race((enum kind)_i, 1 + 13 * (round % 8) + 1, round % 2, pool, true);
    close_pool(pool);
}
END_TEST

/* The awaited task, run inline on its awaiter's stack, awaits the very same value-task. */
typedef struct selfsame {
    vt v;
    int inner;
} selfsame;

static int await_my_awaiters_value_task(void *arg, task_value *result) {
    selfsame *x = arg;
    x->inner = vt_await_at(&x->v, result, "inner.c:2");
    result->i64 = 6;
    return 0;
}

static int await_outer(void *arg, task_value *result) {
    selfsame *x = arg;
    x->v = vt_from_task(task_run(await_my_awaiters_value_task, x));
    return vt_await_at(&x->v, result, "outer.c:1");
}

START_TEST(value_task_awaited_from_within_its_own_inline_run_is_concurrent) {
    task_pool *pool = pool_of(1);
    selfsame x = {{0}, 0};
    task_value v;
    listen_here();
    ck_assert_int_eq(task_join(run_in(pool, await_outer, &x), &v), 0);
    ck_assert_int_eq(v.i64, 6);
    ck_assert_int_eq(x.inner, VT_E_CONCURRENT);
    ck_assert_uint_eq(reports_count(&heard), 1);
    ck_assert_str_eq(heard.kept[0].where, "inner.c:2");
    ck_assert_str_eq(heard.kept[0].first_where, "outer.c:1");
    close_pool(pool);
}
END_TEST

START_TEST(value_task_under_await_would_answer_at_once) {
    static const enum kind kinds[] = {TASK_PENDING_, SOURCE_PENDING};
    task_pool *pool = pool_of(1);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        subject x;
        racer r[2];
        gate losers = GATE_INIT;
        crew c = {.n = 0};
        listen_here();
        subject_init(&x, kinds[k], pool);
        for (unsigned i = 0; i < 2; i++) {
            memset(&r[i], 0, sizeof r[i]);
            r[i].v = &x.v;
            r[i].losers = &losers;
            snprintf(r[i].where, sizeof r[i].where, "both.c:%u", i);
            crew_add(&c, race_thread, &r[i]);
        }
        gate_await(&losers, 1);           /* so the other is under way */
        ck_assert(vt_is_completed(&x.v)); /* with VT_E_CONCURRENT */
        ck_assert_int_eq(vt_await(&x.v, NULL), VT_E_CONCURRENT);
        subject_complete(&x);
        crew_join(&c);
        ck_assert(r[0].won != r[1].won);
        subject_fini(&x);
    }
    close_pool(pool);
}
END_TEST

/* ---- copies of pending value-tasks ---- */

static bool is_spent_code(int code) {
    return code == VT_E_REPEATED || code == VT_E_CONCURRENT || code == VT_E_CONVERTED || code == VT_E_DISCARDED;
}

START_TEST(copy_of_a_spent_value_task_is_caught) {
    task_pool *pool = pool_of(1);
    for (int kind = TASK_ENDED; kind < KINDS; kind++)
        for (int one = 0; one < 3; one++)
            for (int two = 0; two < USES; two++)
                for (int gone = 0; gone < 2; gone++) {
                    subject x;
                    vt copy;
                    came r;
                    bool late = is_pending((enum kind)kind) && one != AWAIT;
                    task *t = NULL;
                    listen_here();
                    subject_init(&x, (enum kind)kind, pool);
                    copy = x.v;
                    if (!late)
                        subject_complete(&x);
                    if (late && one == AS_TASK)
                        t = vt_as_task_at(&x.v, "first.c:11");
                    else if (late)
                        vt_discard_at(&x.v, "first.c:11");
                    else
                        use_at((enum use)one, &x.v, "first.c:11");
                    ck_assert_uint_eq(reports_count(&heard), 0);
                    if (gone && !late) { /* every reference goes; the memory may serve others by now */
                        task_release(x.t);
                        x.t = NULL;
                        ck_assert_int_eq(task_join(run_in(pool, give_seven, NULL), NULL), 0);
                    }
                    ck_assert(vt_is_completed(&copy));
                    r = use_at((enum use)two, &copy, "copy.c:33");
                    ck_assert_msg(is_spent_code(r.err), "kind %d, spent by %d, copy used by %d: %s", kind, one, two,
                                  vtask_strerror(r.err));
                    ck_assert_int_eq(r.value.i64, -7);
                    ck_assert_uint_eq(reports_count(&heard), 1);
                    ck_assert_int_eq(heard.kept[0].code, r.err);
                    ck_assert_str_eq(heard.kept[0].where, "copy.c:33");
                    if (late)
                        subject_complete(&x);
                    if (t != NULL) {
                        ck_assert_int_eq(task_join(t, &r.value), 0);
                        ck_assert_int_eq(r.value.i64, 7);
                    }
                    subject_fini(&x);
                }
    close_pool(pool);
}
END_TEST

START_TEST(copy_is_caught_though_its_place_is_taken_again) {
    /* the places before a task are 32, yet a copy from an earlier stay must never pass for a later one */
    static const unsigned stays[] = {1, 2, 31, 32, 33, 64, 255, 256, 257, 1000};
    task_pool *pool = pool_of(1);
    for (int kind = TASK_ENDED; kind < KINDS; kind++)
        for (size_t i = 0; i < COUNT(stays); i++) {
            subject x;
            vt copy, now_there;
            came r;
            listen_here();
            subject_init(&x, (enum kind)kind, pool);
            copy = x.v;
            vt_discard(&x.v);
            for (unsigned k = 0; k < stays[i]; k++) {
                now_there = x.t != NULL ? vt_from_task(task_retain(x.t)) : vt_from_source(&x.s);
                if (k + 1 < stays[i])
                    vt_discard(&now_there);
            }
            subject_complete(&x);
            r = use_at(AWAIT, &copy, "copy.c:33");
            ck_assert_msg(is_spent_code(r.err), "kind %d, after %u stays: %d", kind, stays[i], r.err);
            ck_assert_uint_eq(reports_count(&heard), 1);
            r = use_at(AWAIT, &now_there, "rightful.c:44");
            ck_assert_int_eq(r.err, 0);
            ck_assert_int_eq(r.value.i64, 7);
            ck_assert_uint_eq(reports_count(&heard), 1);
            subject_fini(&x);
        }
    close_pool(pool);
}
END_TEST

static void copies_race(enum kind kind, unsigned n, task_pool *pool) {
    static vt each[400];
    subject x;
    pthread_barrier_t start;
    gate losers = GATE_INIT;
    crew c = {.n = 0};
    unsigned winners = 0;
    listen_here();
    subject_init(&x, kind, pool);
    pthread_barrier_init(&start, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        racer *r = &racers[i];
        each[i] = x.v;
        memset(r, 0, sizeof *r);
        r->v = &each[i];
        r->start = &start;
        r->losers = &losers;
        r->use = AWAIT;
        snprintf(r->where, sizeof r->where, "copy.c:%u", i + 1);
        crew_add(&c, race_thread, r);
    }
    if (is_pending(kind)) {
        gate_await(&losers, n - 1);
        subject_complete(&x);
    }
    crew_join(&c);
    pthread_barrier_destroy(&start);
    for (unsigned i = 0; i < n; i++) {
        if (racers[i].won) {
            winners++;
            must(racers[i].got.err == 0 && racers[i].got.value.i64 == 7);
        } else {
            const report *p = report_from(racers[i].where);
            must(racers[i].got.err == VT_E_CONCURRENT || racers[i].got.err == VT_E_REPEATED);
            must(racers[i].got.value.i64 == -7);
            must(p != NULL && p->code == racers[i].got.err && p->thread == racers[i].thread);
        }
    }
    must(winners == 1);
    must(reports_count(&heard) == n - 1);
    subject_fini(&x);
}

START_TEST(one_of_many_copies_wins) {
    task_pool *pool = pool_of(2);
    for (unsigned round = 0; round < scaled(8); round++)
        copies_race((enum kind)_i, 300, pool);
    for (unsigned round = 0; round < scaled(300); round++)
        copies_race((enum kind)_i, 2 + round % 7, pool);
    close_pool(pool);
}
END_TEST

/* ---- memory that thousands of others have used since ---- */

static atomic_int freed_values;
static void count_free(task_value v) {
    (void)v;
    atomic_fetch_add(&freed_values, 1);
}

static int give_argument(void *arg, task_value *result) {
    result->ptr = arg;
    return 0;
}

START_TEST(copies_are_caught_when_the_tasks_memory_serves_thousands_of_others) {
    enum { COPIES = 64, OTHERS = 4000, WAVES = 3 };
    static task *others[OTHERS];
    static vt copies[COPIES], rightful[OTHERS];
    task_pool *pool = pool_of(2);
    task_options o = TASK_OPTIONS_INIT;
    unsigned n = UNDER_TSAN ? OTHERS / 8 : OTHERS;
    o.pool = pool;
    o.free_value = count_free;
    listen_here();
    for (unsigned wave = 0; wave < WAVES; wave++) {
        atomic_store(&freed_values, 0);
        for (unsigned i = 0; i < COPIES; i++) {
            vt v = vt_from_task(run_in(pool, give_seven, NULL));
            copies[i] = v;
            if (i % 3 == 0)
                vt_discard(&v);
            else if (i % 3 == 1)
                must(vt_await(&v, NULL) == 0);
            else
                must(task_join(vt_as_task(&v), NULL) == 0);
        }
        for (unsigned i = 0; i < n; i++) {
            others[i] = task_run_with(&o, give_argument, &others[i]);
            must(others[i] != NULL);
            rightful[i] = vt_from_task(task_retain(others[i])); /* every one has an unspent place out */
        }
        reports_clear(&heard);
        for (unsigned use = 0; use < USES; use++)
            for (unsigned i = 0; i < COPIES; i++) {
                vt again = copies[i];
                came r;
                must(vt_is_completed(&again));
                r = use_at((enum use)use, &again, "copy.c:33");
                if (!is_spent_code(r.err))
                    ck_abort_msg("copy %u: %d", i, r.err);
                must(r.value.i64 == -7);
            }
        must(reports_count(&heard) == COPIES * USES);
        for (unsigned i = 0; i < n; i++) { /* nobody else was disturbed */
            task_value v;
            must(task_await(others[i], &v) == 0);
            must(v.ptr == &others[i]);
            must(vt_await(&rightful[i], &v) == 0);
            must(v.ptr == &others[i]);
        }
        must(reports_count(&heard) == COPIES * USES);
        must(atomic_load(&freed_values) == 0);
        for (unsigned i = 0; i < n; i++)
            task_release(others[i]);
        until(atomic_load(&freed_values) == (int)n);
    }
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&freed_values), (int)n);
}
END_TEST

/* Copies awaited while the memory is being used again, by other threads, at this moment. */
typedef struct churn {
    task_pool *pool;
    vt copies[256];
    atomic_int stop;
    unsigned made;
} churn;

static void *churn_tasks(void *arg) {
    churn *x = arg;
    while (!atomic_load(&x->stop)) {
        task *t[16];
        for (unsigned i = 0; i < 16; i++)
            t[i] = i % 2 ? run_in(x->pool, give_argument, x) : task_from_value(as_ptr(x));
        for (unsigned i = 0; i < 16; i++) {
            vt v = vt_from_task(t[i]);
            task_value got;
            must(vt_await(&v, &got) == 0);
            must(got.ptr == x);
        }
        x->made += 16;
    }
    return NULL;
}

START_TEST(copies_are_caught_while_their_memory_is_being_used_again) {
    enum { CHURNERS = 3 };
    static churn x[CHURNERS];
    task_pool *pool = pool_of(2);
    crew c = {.n = 0};
    unsigned rounds = scaled(400);
    vt_on_misuse(NULL, NULL);
    listen_here();
    for (unsigned i = 0; i < COUNT(x[0].copies); i++) {
        vt v = i % 2 ? vt_from_task(task_from_value(as_i64(1))) : vt_from_task(run_in(pool, give_seven, NULL));
        x[0].copies[i] = v;
        must(vt_await(&v, NULL) == 0);
    }
    for (unsigned i = 0; i < CHURNERS; i++) {
        x[i].pool = pool;
        crew_add(&c, churn_tasks, &x[i]);
    }
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < COUNT(x[0].copies); i++) {
            vt again = x[0].copies[i];
            came r = use_at((enum use)(round % USES), &again, "copy.c:33");
            if (!is_spent_code(r.err))
                ck_abort_msg("round %u, copy %u: %d", round, i, r.err);
        }
    for (unsigned i = 0; i < CHURNERS; i++)
        atomic_store(&x[i].stop, 1);
    crew_join(&c);
    close_pool(pool);
    ck_assert_uint_eq(reports_count(&heard), rounds * (unsigned)COUNT(x[0].copies));
}
END_TEST

/* ---- the hook ---- */

static int hooks_called;
static void busy_hook(const vt_misuse *m, void *context) {
    vt v = vt_from_value(as_i64(3));
    task_value got;
    must(context == &hooks_called);
    hooks_called++;
    /* it may use the library */
    must(vt_await(&v, &got) == 0 && got.i64 == 3);
    must(task_join(task_run(give_seven, NULL), &got) == 0 && got.i64 == 7);
    if (hooks_called == 1)
        must(vt_await(&v, NULL) == VT_E_REPEATED); /* even wrongly */
    must(m->code == VT_E_REPEATED && m->text != NULL);
}

static void forbidden_hook(const vt_misuse *m, void *context) {
    (void)m;
    (void)context;
    ck_abort_msg("a hook that is not in place was called");
}

START_TEST(hook_may_use_the_library_and_be_replaced) {
    vt v = vt_from_value(as_i64(1));
    vt_on_misuse(forbidden_hook, NULL);
    vt_on_misuse(busy_hook, &hooks_called);
    ck_assert_int_eq(vt_await(&v, NULL), 0);
    ck_assert_int_eq(vt_await(&v, NULL), VT_E_REPEATED);
    ck_assert_int_eq(hooks_called, 2);
    listen_here();
    ck_assert_int_eq(vt_await(&v, NULL), VT_E_REPEATED);
    ck_assert_int_eq(hooks_called, 2);
    ck_assert_uint_eq(reports_count(&heard), 1);
}
END_TEST

static void restore_default(const vt_misuse *m, void *context) {
    (void)m;
    (*(int *)context)++;
    vt_on_misuse(NULL, NULL);
}

static void *misuse_often(void *arg) {
    vt v = vt_from_value(as_i64(1));
    (void)arg;
    must(vt_await(&v, NULL) == 0);
    for (unsigned i = 0; i < 200; i++)
        must(vt_await(&v, NULL) == VT_E_REPEATED);
    return NULL;
}

static atomic_int counted[2];
static void count_report_0(const vt_misuse *m, void *context) {
    must(m->code == VT_E_REPEATED);
    must(context == &counted[0]);
    atomic_fetch_add(&counted[0], 1);
}

static void count_report_1(const vt_misuse *m, void *context) {
    must(m->code == VT_E_REPEATED);
    must(context == &counted[1]);
    atomic_fetch_add(&counted[1], 1);
}

START_TEST(hook_replaced_while_others_report_gets_its_own_context) {
    crew c = {.n = 0};
    vt_on_misuse(count_report_0, &counted[0]);
    for (unsigned i = 0; i < 4; i++)
        crew_add(&c, misuse_often, NULL);
    for (unsigned i = 0; i < 2000; i++)
        vt_on_misuse(i % 2 ? count_report_1 : count_report_0, &counted[i % 2]);
    crew_join(&c);
    ck_assert_int_eq(atomic_load(&counted[0]) + atomic_load(&counted[1]), 800);
}
END_TEST

/* ---- VTASK_OPTIONS, in processes of their own ---- */

static void misuse_once(int expected) {
    vt v = vt_from_value(as_i64(1));
    child_must(vt_await_at(&v, NULL, "first.c:11") == 0);
    child_must(vt_await_at(&v, NULL, "second.c:22") == expected);
}

static int child_default_report(void) {
    misuse_once(VT_E_REPEATED);
    return 0;
}

static int child_two_reports(void) {
    misuse_once(VT_E_REPEATED);
    setenv("VTASK_OPTIONS", "misuse=quiet", 1); /* read once */
    misuse_once(VT_E_REPEATED);
    return 0;
}

static void speak(const vt_misuse *m, void *context) {
    (void)context;
    fprintf(stderr, "HOOK %s\n", m->where);
}

static int child_with_hook(void) {
    vt_on_misuse(speak, NULL);
    misuse_once(VT_E_REPEATED);
    return 0;
}

static int child_default_restored(void) {
    int calls = 0;
    vt_on_misuse(restore_default, &calls);
    misuse_once(VT_E_REPEATED);
    misuse_once(VT_E_REPEATED); /* on stderr */
    child_must(calls == 1);
    return 0;
}

static int child_used_rightly(void) {
    vt v = vt_from_value(as_i64(1));
    child_must(vt_await(&v, NULL) == 0);
    child_must(task_join(task_run(give_seven, NULL), NULL) == 0);
    return 0;
}

static bool is_one_paragraph(const char *text) {
    size_t n = strlen(text);
    return n > 0 && text[n - 1] == '\n' && text[0] != '\n' && strstr(text, "\n\n") == NULL;
}

static unsigned times_in(const char *text, const char *what) {
    unsigned n = 0;
    while ((text = strstr(text, what)) != NULL) {
        n++;
        text++;
    }
    return n;
}

START_TEST(report_is_one_paragraph_on_stderr_with_both_sites) {
    static const char *const options[] = {NULL,       "",  "misuse=report", "misuse=nonsense",
                                          "nonsense", "=", "misuse=",       ",,,"};
    static child_end end;
    for (size_t i = 0; i < COUNT(options); i++) {
        run_child("default_report", options[i], &end);
        assert_exits(&end, 0);
        ck_assert_msg(strstr(end.err, "first.c:11") != NULL && strstr(end.err, "second.c:22") != NULL, "it said: %s",
                      end.err);
        if (i < 3)
            ck_assert_msg(is_one_paragraph(end.err), "it said: %s", end.err);
    }
}
END_TEST

START_TEST(every_misuse_is_reported_and_the_environment_read_once) {
    static child_end end;
    run_child("two_reports", NULL, &end);
    assert_exits(&end, 0);
    ck_assert_uint_eq(times_in(end.err, "second.c:22"), 2);
    run_child("default_restored", NULL, &end);
    assert_exits(&end, 0);
    ck_assert_uint_eq(times_in(end.err, "second.c:22"), 1);
}
END_TEST

START_TEST(quiet_silences_the_paragraph_and_nothing_else) {
    static child_end end;
    run_child("default_report", "misuse=quiet", &end);
    assert_exits(&end, 0);
    ck_assert_str_eq(end.err, "");
    run_child("with_hook", "misuse=quiet", &end);
    assert_exits(&end, 0);
    ck_assert_str_eq(end.err, "HOOK second.c:22\n");
    run_child("with_hook", NULL, &end);
    assert_exits(&end, 0);
    ck_assert_str_eq(end.err, "HOOK second.c:22\n"); /* in place of the paragraph */
}
END_TEST

START_TEST(abort_ends_the_process_after_the_report) {
    static child_end end;
    run_child("default_report", "misuse=abort", &end);
    assert_aborts(&end);
    ck_assert_msg(strstr(end.err, "first.c:11") != NULL && strstr(end.err, "second.c:22") != NULL, "it said: %s", end.err);
    run_child("with_hook", "misuse=abort", &end);
    assert_aborts(&end);
    ck_assert_msg(strstr(end.err, "HOOK second.c:22\n") != NULL, "it said: %s", end.err);
    run_child("used_rightly", "misuse=abort", &end);
    assert_exits(&end, 0);
    ck_assert_str_eq(end.err, "");
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("misuse");
    TCase *c = case_in(s, "one after the other");
    tcase_add_loop_test(c, second_use_gets_its_code_and_reports_both_sites, 0, KINDS);
    tcase_add_test(c, first_user_is_named_whoever_used_value_tasks_before_it);
    tcase_add_test(c, discarded_or_converted_while_pending_is_spent_as_well);
    tcase_add_test(c, second_await_reports_both_lines_of_this_file);
    tcase_add_test(c, calls_without_a_site_are_reported_all_the_same);
    tcase_add_test(c, empty_struct_is_empty_and_a_broken_one_corrupt);
    c = case_in(s, "at once");
    tcase_add_test(c, two_awaits_neck_and_neck_have_one_winner);
    tcase_add_loop_test(c, hundreds_of_concurrent_awaits_have_one_winner, 0, KINDS);
    tcase_add_loop_test(c, awaits_conversions_and_discards_at_once_have_one_winner, 0, KINDS);
    tcase_add_loop_test(c, tasks_of_a_pool_that_await_one_value_task_have_one_winner, 0, KINDS);
    tcase_add_test(c, value_task_awaited_from_within_its_own_inline_run_is_concurrent);
    tcase_add_test(c, value_task_under_await_would_answer_at_once);
    c = case_in(s, "copies");
    tcase_add_test(c, copy_of_a_spent_value_task_is_caught);
    tcase_add_test(c, copy_is_caught_though_its_place_is_taken_again);
    tcase_add_loop_test(c, one_of_many_copies_wins, TASK_ENDED, KINDS);
    tcase_add_test(c, copies_are_caught_when_the_tasks_memory_serves_thousands_of_others);
    tcase_add_test(c, copies_are_caught_while_their_memory_is_being_used_again);
    c = case_in(s, "hook and environment");
    tcase_add_test(c, hook_may_use_the_library_and_be_replaced);
    tcase_add_test(c, hook_replaced_while_others_report_gets_its_own_context);
    tcase_add_test(c, report_is_one_paragraph_on_stderr_with_both_sites);
    tcase_add_test(c, every_misuse_is_reported_and_the_environment_read_once);
    tcase_add_test(c, quiet_silences_the_paragraph_and_nothing_else);
    tcase_add_test(c, abort_ends_the_process_after_the_report);
    return s;
}

int main(int argc, char **argv) {
    static const child_main children[] = {{"default_report", child_default_report},
                                          {"two_reports", child_two_reports},
                                          {"with_hook", child_with_hook},
                                          {"default_restored", child_default_restored},
                                          {"used_rightly", child_used_rightly}};
    return suite_main(argc, argv, make, children, COUNT(children));
}
