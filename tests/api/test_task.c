/* tests/api/test_task.c: what <vtask/task.h> promises of tasks: outcomes, references, callbacks, awaits, rings. */
#include "api.h"

/* ---- every outcome, awaited from everywhere, at every time, in every way ---- */

typedef struct outcome {
    const char *name;
    int code;
    bool writes;
} outcome;

static const outcome outcomes[] = {
    {"value", 0, true},
    {"nothing written", 0, false},
    {"error 7", 7, false},
    {"error after a value was written", 8, true},
    {"EAGAIN", EAGAIN, true},
    {"VTASK_E_CYCLE", VTASK_E_CYCLE, false},
    {"VT_E_REPEATED", VT_E_REPEATED, true},
    {"negative", -3, true},
};

enum awaiter { BY_THREAD, BY_TASK_HERE, BY_TASK_ELSEWHERE, AWAITERS };
enum moment { UNSTARTED, RUNNING, ENDED, MOMENTS };
enum manner { AWAIT_RELEASE, AWAIT_TWICE, JOIN, JOIN_NO_RESULT, RETAIN_JOIN_AWAIT, RELEASE_ONLY, MANNERS };

typedef struct work {
    const outcome *is;
    gate begun; /* held there if the moment is RUNNING */
    gate ready; /* the awaiter is about to await */
    gate ended; /* the function has nearly returned */
    bool held;
    enum manner manner;
    task *t;
    atomic_int calls, arg_frees, value_frees;
    char label[96];
} work;

static atomic_int zero_value_frees;

static int do_work(void *arg, task_value *result) {
    work *w = arg;
    must(result != NULL);
    must(result->u64 == 0);
    must(task_current() != NULL);
    must(task_status(task_current()) == TASK_RUNNING);
    must(task_error(task_current()) == EAGAIN);
    must(atomic_load(&w->arg_frees) == 0);
    atomic_fetch_add(&w->calls, 1);
    if (w->held)
        gate_pass(&w->begun);
    if (w->is->writes)
        result->ptr = w;
    return w->is->code;
}

static void free_work_arg(void *arg) {
    work *w = arg;
    must(atomic_load(&w->calls) == 1);
    atomic_fetch_add(&w->arg_frees, 1);
}

static void free_work_value(task_value v) {
    if (v.ptr == NULL)
        atomic_fetch_add(&zero_value_frees, 1);
    else
        atomic_fetch_add(&((work *)v.ptr)->value_frees, 1);
}

static void check_await(work *w, bool join) {
    task_value r = as_u64(0x5a5a5a5a5a5a5a5au);
    int err = join ? task_join(w->t, &r) : task_await(w->t, &r);
    if (err != w->is->code)
        ck_abort_msg("%s: %d", w->label, err);
    if (err != 0)
        must(r.u64 == 0x5a5a5a5a5a5a5a5au);
    else if (w->is->writes)
        must(r.ptr == w);
    else
        must(r.u64 == 0);
    must(atomic_load(&w->arg_frees) == 1);
    must(atomic_load(&w->calls) == 1);
}

static int use_work(void *arg, task_value *result) {
    work *w = arg;
    (void)result;
    gate_arrive(&w->ready);
    switch (w->manner) {
    case AWAIT_TWICE:
        check_await(w, false); /* fall through */
    case AWAIT_RELEASE:
        check_await(w, false);
        must(task_error(w->t) == w->is->code);
        must(task_status(w->t) == (w->is->code == 0 ? TASK_SUCCEEDED : TASK_FAILED));
        must(atomic_load(&w->value_frees) == 0);
        task_release(w->t);
        break;
    case JOIN:
        check_await(w, true);
        break;
    case JOIN_NO_RESULT:
        must(task_join(w->t, NULL) == w->is->code);
        break;
    case RETAIN_JOIN_AWAIT:
        must(task_retain(w->t) == w->t);
        check_await(w, true);
        must(atomic_load(&w->value_frees) == 0);
        check_await(w, false);
        task_release(w->t);
        break;
    default:
        task_release(w->t);
        break;
    }
    return 0;
}

static void *use_work_thread(void *arg) {
    task_value ignored;
    use_work(arg, &ignored);
    return NULL;
}

typedef struct late_user {
    work *w;
    gate go;
} late_user;

static int use_work_late(void *arg, task_value *result) {
    late_user *u = arg;
    gate_pass(&u->go);
    return use_work(u->w, result);
}

static task *start_work(task_pool *pool, work *w) {
    task_options o = TASK_OPTIONS_INIT;
    o.pool = pool;
    o.name = w->is->name;
    o.free_arg = free_work_arg;
    o.free_value = free_work_value;
    w->t = task_run_with(&o, do_work, w);
    must(w->t != NULL);
    return w->t;
}

static void run_case(task_pool *pool, task_pool *other, work *w, enum awaiter who, enum moment when) {
    gate hold = GATE_INIT;
    task *held[2] = {NULL, NULL}, *user = NULL;
    late_user late = {w, GATE_INIT};
    crew c = {.n = 0};

    w->held = when == RUNNING;
    if (when == UNSTARTED) {
        unsigned n = who == BY_TASK_HERE ? 1 : 2;
        for (unsigned i = 0; i < n; i++)
            held[i] = run_in(pool, wait_at_gate, &hold);
        if (who == BY_TASK_HERE)
            user = run_in(pool, use_work_late, &late);
        gate_await(&hold, n);
        if (user != NULL)
            gate_await(&late.go, 1);
    }
    start_work(pool, w);
    if (when == UNSTARTED)
        must(task_status(w->t) == TASK_QUEUED && task_error(w->t) == EAGAIN);
    if (when == RUNNING) {
        gate_await(&w->begun, 1);
        must(task_status(w->t) == TASK_RUNNING);
        must(task_error(w->t) == EAGAIN);
    }
    if (when == ENDED)
        until(task_status(w->t) >= TASK_SUCCEEDED);
    must(strcmp(task_name(w->t), w->is->name) == 0);
    if (user != NULL)
        gate_open(&late.go);
    else if (who == BY_THREAD)
        crew_add(&c, use_work_thread, w);
    else
        user = run_in(who == BY_TASK_HERE ? pool : other, use_work, w);
    gate_await(&w->ready, 1);
    gate_open(&w->begun);
    gate_open(&hold);
    crew_join(&c);
    if (user != NULL)
        must(task_join(user, NULL) == 0);
    for (unsigned i = 0; i < 2; i++)
        if (held[i] != NULL)
            must(task_join(held[i], NULL) == 0);
    until(atomic_load(&w->arg_frees) == 1);
}

START_TEST(every_outcome_reaches_every_awaiter_and_callbacks_run_once) {
    const outcome *is = &outcomes[_i];
    task_pool *pool = pool_of(2), *other = pool_of(1);
    work *all = calloc(AWAITERS * MOMENTS * MANNERS, sizeof *all);
    unsigned n = 0, zeros = 0;
    for (int who = 0; who < AWAITERS; who++)
        for (int when = 0; when < MOMENTS; when++)
            for (int manner = 0; manner < MANNERS; manner++) {
                work *w = &all[n++];
                w->is = is;
                w->manner = (enum manner)manner;
                gate_init(&w->begun);
                gate_init(&w->ready);
                snprintf(w->label, sizeof w->label, "%s: awaiter %d, moment %d, manner %d", is->name, who, when, manner);
                run_case(pool, other, w, (enum awaiter)who, (enum moment)when);
            }
    close_pool(pool);
    close_pool(other);
    for (unsigned i = 0; i < n; i++) {
        bool freed = is->code == 0 && is->writes;
        if (is->code == 0 && !is->writes)
            zeros++;
        ck_assert_msg(atomic_load(&all[i].calls) == 1, "%s: calls", all[i].label);
        ck_assert_msg(atomic_load(&all[i].arg_frees) == 1, "%s: free_arg", all[i].label);
        ck_assert_msg(atomic_load(&all[i].value_frees) == (freed ? 1 : 0), "%s: free_value", all[i].label);
    }
    ck_assert_int_eq(atomic_load(&zero_value_frees), (int)zeros);
    free(all);
}
END_TEST

/* ---- arguments ---- */

static const size_t sizes[] = {1, 2, 7, 8, 16, 24, 39, 40, 41, 48, 64, 100, 127, 128, 129, 4096, 100000};

typedef struct copy_seen {
    void *original;
    atomic_int frees;
} copy_seen;
static copy_seen copies;
static void *copy_at;
static size_t copy_size;

static int look_at_copy(void *arg, task_value *result) {
    unsigned char *bytes = arg;
    must(arg != copies.original);
    must((uintptr_t)arg % _Alignof(max_align_t) == 0);
    for (size_t i = 0; i < copy_size; i++)
        must(bytes[i] == (unsigned char)(i * 7 + 1));
    memset(arg, 0xee, copy_size); /* the copy is the task's to write */
    copy_at = arg;
    result->i64 = 1;
    return 0;
}

static void free_copy(void *arg) {
    must(arg == copy_at);
    for (size_t i = 0; i < copy_size; i++)
        must(((unsigned char *)arg)[i] == 0xee);
    atomic_fetch_add(&copies.frees, 1);
}

START_TEST(argument_is_copied_aligned_and_freed_once) {
    task_pool *pool = pool_of(1);
    gate hold = GATE_INIT;
    task *blocker = run_in(pool, wait_at_gate, &hold), *t;
    task_options o = TASK_OPTIONS_INIT;
    unsigned char *original;
    copy_size = sizes[_i];
    original = malloc(copy_size + 1);
    for (size_t i = 0; i < copy_size; i++)
        original[1 + i] = (unsigned char)(i * 7 + 1);
    copies.original = original + 1;
    o.pool = pool;
    o.arg_size = copy_size;
    o.free_arg = free_copy;
    t = task_run_with(&o, look_at_copy, original + 1); /* not aligned */
    ck_assert_ptr_nonnull(t);
    memset(original, 0, copy_size + 1);
    free(original);
    memset(&o, 0xff, sizeof o); /* the options were copied, too */
    gate_open(&hold);
    ck_assert_int_eq(task_await(t, NULL), 0);
    ck_assert_int_eq(atomic_load(&copies.frees), 1);
    task_release(t);
    ck_assert_int_eq(task_join(blocker, NULL), 0);
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&copies.frees), 1);
}
END_TEST

static int add_up(void *arg, task_value *result) {
    const int64_t *pair = arg;
    result->i64 = pair[0] + pair[1];
    return 0;
}

static int count_up(void *arg, task_value *result) {
    (void)result;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

START_TEST(run_uses_the_default_pool_outside_and_the_current_pool_inside) {
    int64_t pair[2] = {40, 2};
    task_value v = as_i64(0);
    ck_assert_int_eq(task_join(task_run(add_up, pair), &v), 0);
    ck_assert_int_eq(v.i64, 42);
    ck_assert_ptr_nonnull(task_pool_default());
    ck_assert_ptr_eq(task_pool_default(), task_pool_default());
    ck_assert_ptr_null(task_pool_current());
    ck_assert_ptr_null(task_current());
}
END_TEST

static int tell_pool(void *arg, task_value *result) {
    (void)arg;
    result->ptr = task_pool_current();
    return 0;
}

static int tell_pool_of_inner(void *arg, task_value *result) {
    task *t = task_run(tell_pool, arg);
    must(t != NULL);
    return task_join(t, result);
}

START_TEST(task_made_by_a_task_runs_in_its_pool) {
    task_pool *a = pool_of(1), *b = pool_of(2);
    task_value v = as_u64(0);
    ck_assert_int_eq(task_join(run_in(a, tell_pool_of_inner, NULL), &v), 0);
    ck_assert_ptr_eq(v.ptr, a);
    ck_assert_int_eq(task_join(run_in(b, tell_pool_of_inner, NULL), &v), 0);
    ck_assert_ptr_eq(v.ptr, b);
    ck_assert_int_eq(task_join(task_run(tell_pool, NULL), &v), 0);
    ck_assert_ptr_eq(v.ptr, task_pool_default());
    close_pool(a);
    close_pool(b);
}
END_TEST

/* ---- identity ---- */

typedef struct id_maker {
    pthread_barrier_t *start;
    task_pool *pool;
    uint64_t ids[3000];
} id_maker;

static int tell_id(void *arg, task_value *result) {
    (void)arg;
    result->u64 = task_id(task_current());
    return 0;
}

static void *make_ids(void *arg) {
    id_maker *m = arg;
    pthread_barrier_wait(m->start);
    for (unsigned i = 0; i < COUNT(m->ids); i++) {
        task *t = i % 3 == 0   ? task_from_value(as_i64(1))
                  : i % 3 == 1 ? task_from_error(5)
                               : run_in(m->pool, tell_id, NULL);
        task_value v;
        must(t != NULL);
        m->ids[i] = task_id(t);
        if (i % 3 == 2) {
            must(task_await(t, &v) == 0);
            must(v.u64 == m->ids[i]);
        }
        must(task_id(t) == m->ids[i]);
        task_release(t);
    }
    return NULL;
}

static int compare_ids(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

START_TEST(no_two_tasks_have_the_same_id) {
    enum { MAKERS = 6 };
    pthread_barrier_t start;
    id_maker *makers = calloc(MAKERS, sizeof *makers);
    size_t n = MAKERS * COUNT(makers->ids);
    uint64_t *ids = calloc(n, sizeof *ids);
    task_pool *pool = pool_of(2);
    crew c = {.n = 0};
    pthread_barrier_init(&start, NULL, MAKERS);
    for (unsigned i = 0; i < MAKERS; i++) {
        makers[i].start = &start;
        makers[i].pool = pool;
        crew_add(&c, make_ids, &makers[i]);
    }
    crew_join(&c);
    for (unsigned i = 0; i < MAKERS; i++)
        memcpy(ids + i * COUNT(makers->ids), makers[i].ids, sizeof makers->ids);
    qsort(ids, n, sizeof *ids, compare_ids);
    ck_assert_uint_ne(ids[0], 0);
    for (size_t i = 1; i < n; i++)
        must(ids[i] != ids[i - 1]);
    close_pool(pool);
    free(ids);
    free(makers);
}
END_TEST

typedef struct nest {
    unsigned depth;
    uint64_t id;
} nest;

static int check_current(void *arg, task_value *result) {
    nest *n = arg;
    task *self = task_current();
    must(self != NULL);
    must(task_pool_current() != NULL);
    result->u64 = task_id(self);
    if (n->depth > 0) {
        nest inner = {n->depth - 1, 0};
        task *t = task_run(check_current, &inner);
        task_value v;
        must(t != NULL);
        must(task_await(t, &v) == 0);
        must(v.u64 == task_id(t));
        task_release(t);
    }
    must(task_current() == self);
    return 0;
}

START_TEST(current_task_is_right_before_during_and_after_inline_runs) {
    task_pool *pool = pool_of((unsigned)_i);
    nest outer = {200, 0};
    task *t = run_in(pool, check_current, &outer);
    task_value v;
    ck_assert_int_eq(task_await(t, &v), 0);
    ck_assert_uint_eq(v.u64, task_id(t));
    ck_assert_ptr_null(task_current());
    task_release(t);
    close_pool(pool);
}
END_TEST

static int tell_thread(void *arg, task_value *result) {
    (void)arg;
    result->u64 = my_tid();
    return 0;
}

static int await_unstarted_inline(void *arg, task_value *result) {
    (void)arg;
    for (unsigned i = 0; i < 100; i++) {
        task *t = task_run(tell_thread, NULL);
        task_value v;
        must(t != NULL);
        must(task_status(t) == TASK_QUEUED);
        must(task_join(t, &v) == 0);
        must(v.u64 == my_tid());
    }
    result->u64 = 0;
    return 0;
}

START_TEST(worker_that_awaits_an_unstarted_task_runs_it_itself) {
    task_pool *pool = pool_of(1);
    ck_assert_int_eq(do_in(pool, await_unstarted_inline, NULL), 0);
    close_pool(pool);
}
END_TEST

/* Claimed wherever it is queued: here in an inbox and behind many others. */
typedef struct deep_queue {
    gate go;
    task *last;
    atomic_int ran;
} deep_queue;

static int await_the_last(void *arg, task_value *result) {
    deep_queue *q = arg;
    (void)result;
    gate_pass(&q->go);
    must(task_await(q->last, NULL) == 0);
    must(atomic_load(&q->ran) == 1); /* the awaited one alone, none of its siblings */
    return 0;
}

START_TEST(awaited_task_is_claimed_from_the_end_of_a_long_queue_and_it_alone) {
    enum { N = 3000 };
    static task *all[N];
    deep_queue q = {GATE_INIT, NULL, 0};
    task_pool *pool = pool_of(1);
    task *t = run_in(pool, await_the_last, &q);
    gate_await(&q.go, 1);
    for (unsigned i = 0; i < N; i++)
        all[i] = run_in(pool, count_up, &q.ran);
    q.last = all[N - 1];
    gate_open(&q.go);
    ck_assert_int_eq(task_join(t, NULL), 0);
    for (unsigned i = 0; i < N; i++)
        ck_assert_int_eq(task_join(all[i], NULL), 0);
    ck_assert_int_eq(atomic_load(&q.ran), N);
    close_pool(pool);
}
END_TEST

/* ---- values and errors that are there already ---- */

START_TEST(made_task_has_ended_and_gives_its_outcome_as_often_as_asked) {
    static const int64_t values[] = {0, 1, -1, INT64_MIN, INT64_MAX};
    static const int errors[] = {1, EAGAIN, VTASK_E_CYCLE, VT_E_EMPTY, VTASK_E_CANCELLED, -5, 0x7fffffff};
    for (size_t i = 0; i < COUNT(values); i++) {
        task *t = task_from_value(as_i64(values[i]));
        task_value v = as_i64(99);
        ck_assert_ptr_nonnull(t);
        ck_assert_int_eq(task_status(t), TASK_SUCCEEDED);
        ck_assert_int_eq(task_error(t), 0);
        ck_assert_ptr_null(task_name(t));
        for (unsigned k = 0; k < 3; k++) {
            v = as_i64(99);
            ck_assert_int_eq(task_await(t, &v), 0);
            ck_assert_int_eq(v.i64, values[i]);
        }
        ck_assert_int_eq(task_join(t, NULL), 0);
    }
    for (size_t i = 0; i < COUNT(errors); i++) {
        task *t = task_from_error(errors[i]);
        task_value v = as_i64(99);
        ck_assert_ptr_nonnull(t);
        ck_assert_int_ge(task_status(t), TASK_FAILED);
        ck_assert_int_eq(task_error(t), errors[i]);
        ck_assert_int_eq(task_await(t, &v), errors[i]);
        ck_assert_int_eq(task_join(t, &v), errors[i]);
        ck_assert_int_eq(v.i64, 99);
    }
    errno = 0;
    ck_assert_ptr_null(task_from_error(0));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* ---- one task, hundreds of awaiters ---- */

typedef struct shared_await {
    task *t;
    gate *ready;
    int64_t plain; /* written by the task, read by every awaiter: no race */
    atomic_int right;
} shared_await;

static int write_plain(void *arg, task_value *result) {
    shared_await *s = arg;
    gate_pass(s->ready);
    s->plain = 1234;
    result->i64 = 4321;
    return 0;
}

static void *await_shared(void *arg) {
    shared_await *s = arg;
    task_value v;
    gate_arrive(s->ready);
    if (task_await(s->t, &v) == 0 && v.i64 == 4321 && s->plain == 1234)
        atomic_fetch_add(&s->right, 1);
    return NULL;
}

static int await_shared_task(void *arg, task_value *result) {
    (void)result;
    await_shared(arg);
    return 0;
}

START_TEST(hundreds_of_threads_and_tasks_await_one_task) {
    enum { THREADS = 300, TASKS = 60 };
    gate ready = GATE_INIT;
    shared_await s = {NULL, &ready, 0, 0};
    task_pool *pool = pool_of(2), *other = pool_of(2);
    task *tasks[TASKS];
    crew c = {.n = 0};
    s.t = run_in(pool, write_plain, &s);
    gate_await(&ready, 1);
    for (unsigned i = 0; i < THREADS; i++)
        crew_add(&c, await_shared, &s);
    for (unsigned i = 0; i < TASKS; i++)
        tasks[i] = run_in(i % 2 ? pool : other, await_shared_task, &s);
    gate_await(&ready, THREADS + TASKS + 1);
    gate_open(&ready);
    crew_join(&c);
    for (unsigned i = 0; i < TASKS; i++)
        ck_assert_int_eq(task_join(tasks[i], NULL), 0);
    ck_assert_int_eq(atomic_load(&s.right), THREADS + TASKS);
    task_release(s.t);
    close_pool(pool);
    close_pool(other);
}
END_TEST

/* Retain and release from many threads while the task ends: one free_value, at the very end. */
typedef struct tug {
    task *t;
    pthread_barrier_t *start;
} tug;

static atomic_int tug_frees;
static void free_tug(task_value v) {
    must(v.i64 == 7);
    atomic_fetch_add(&tug_frees, 1);
}

static void *tug_at(void *arg) {
    tug *g = arg;
    pthread_barrier_wait(g->start);
    for (unsigned i = 0; i < 200; i++) {
        must(task_retain(g->t) == g->t);
        must(atomic_load(&tug_frees) == 0);
        task_release(g->t);
    }
    must(task_join(g->t, NULL) == 0);
    return NULL;
}

START_TEST(value_is_freed_at_the_last_of_many_releases) {
    enum { THREADS = 8 };
    task_pool *pool = pool_of(2);
    for (unsigned round = 0; round < scaled(200); round++) {
        gate hold = GATE_INIT;
        pthread_barrier_t start;
        task_options o = TASK_OPTIONS_INIT;
        tug g;
        crew c = {.n = 0};
        atomic_store(&tug_frees, 0);
        o.pool = pool;
        o.free_value = free_tug;
        g.t = task_run_with(&o, wait_at_gate, &hold);
        g.start = &start;
        must(g.t != NULL);
        pthread_barrier_init(&start, NULL, THREADS + 1);
        for (unsigned i = 0; i < THREADS; i++) {
            task_retain(g.t);
            crew_add(&c, tug_at, &g);
        }
        pthread_barrier_wait(&start);
        gate_open(&hold);
        task_release(g.t);
        crew_join(&c);
        until(atomic_load(&tug_frees) == 1);
        pthread_barrier_destroy(&start);
        until(gate_count(&hold) == 1);
    }
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&tug_frees), 1);
}
END_TEST

/* ---- tasks outlive their pool ---- */

START_TEST(task_outlives_its_pool) {
    work w[COUNT(outcomes)];
    memset(w, 0, sizeof w);
    atomic_store(&zero_value_frees, 0);
    task_pool *pool = pool_of(2);
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        w[i].is = &outcomes[i];
        gate_init(&w[i].begun);
        start_work(pool, &w[i]);
    }
    close_pool(pool);
    for (size_t i = 0; i < COUNT(outcomes); i++) {
        bool freed = w[i].is->code == 0;
        task *both[2] = {w[i].t, w[i].t}, *all;
        int before = atomic_load(&zero_value_frees);
        ck_assert_int_eq(task_status(w[i].t), freed ? TASK_SUCCEEDED : TASK_FAILED);
        ck_assert_str_eq(task_name(w[i].t), outcomes[i].name);
        ck_assert_uint_ne(task_id(w[i].t), 0);
        check_await(&w[i], false);
        all = when_all(both, 2);
        ck_assert_int_eq(task_join(all, NULL), w[i].is->code);
        vt v = vt_from_task(task_retain(w[i].t));
        ck_assert_int_eq(vt_await(&v, NULL), w[i].is->code);
        ck_assert_int_eq(atomic_load(&w[i].value_frees), 0);
        task_release(w[i].t);
        ck_assert_int_eq(atomic_load(&w[i].value_frees) + atomic_load(&zero_value_frees) - before, freed ? 1 : 0);
    }
}
END_TEST

/* ---- rings ---- */

typedef struct ring {
    task *a, *b;
    gate go;
    char site[512];
    int inner;
    task_value inner_value;
} ring;

static int await_myself(void *arg, task_value *result) {
    ring *r = arg;
    gate_pass(&r->go);
    r->inner_value = as_i64(77);
    result->i64 = 5;
    keep_text(r->site, sizeof r->site, VTASK_WHERE), r->inner = task_await(r->a, &r->inner_value);
    return 0;
}

START_TEST(task_that_awaits_itself_gets_cycle_and_a_report) {
    static ring r;
    task_pool *pool = pool_of(2);
    task_options o = TASK_OPTIONS_INIT;
    task_value v;
    gate_init(&r.go);
    listen_to_reports();
    o.pool = pool;
    o.name = "narcissus";
    r.a = task_run_with(&o, await_myself, &r);
    gate_open(&r.go);
    ck_assert_int_eq(task_await(r.a, &v), 0);
    ck_assert_int_eq(v.i64, 5);
    ck_assert_int_eq(r.inner, VTASK_E_CYCLE);
    ck_assert_int_eq(r.inner_value.i64, 77);
    ck_assert_uint_eq(reports_count(&heard), 1);
    ck_assert_int_eq(heard.kept[0].code, VTASK_E_CYCLE);
    ck_assert_str_eq(heard.kept[0].where, r.site);
    ck_assert_uint_eq(heard.kept[0].task, task_id(r.a));
    ck_assert_str_eq(heard.kept[0].task_name, "narcissus");
    ck_assert_uint_eq(heard.kept[0].thread, heard.kept[0].hook_thread);
    ck_assert_ptr_nonnull(strstr(heard.kept[0].text, "narcissus"));
    task_release(r.a);
    close_pool(pool);
}
END_TEST

/* A task hands itself on while its only holder lets go. */
typedef struct hand_on {
    _Atomic(task *) handed;
    atomic_uint ready;
} hand_on;

static int retain_myself(void *arg, task_value *result) {
    hand_on *h = arg;
    atomic_fetch_add(&h->ready, 1);
    while (atomic_load(&h->ready) < 2) {
    }
    atomic_store(&h->handed, task_retain(task_current()));
    result->i64 = 42;
    return 0;
}

START_TEST(task_that_retains_itself_while_it_is_released_stays_whole) {
    task_pool *pool = pool_of(1);
    for (unsigned i = 0; i < scaled(20000); i++) {
        hand_on h = {NULL, 0};
        task *t = run_in(pool, retain_myself, &h), *again, *next;
        uint64_t id = task_id(t);
        while (atomic_load(&h.ready) == 0) {
        }
        atomic_fetch_add(&h.ready, 1);
        task_release(t);
        while ((again = atomic_load(&h.handed)) == NULL) {
        }
        task_value v = {0};
        next = task_from_value(as_i64(1)); /* would take the block over */
        must(task_await(again, &v) == 0 && v.i64 == 42 && task_id(again) == id);
        task_release(next);
        task_release(again);
    }
    close_pool(pool);
}
END_TEST

static int join_myself(void *arg, task_value *result) {
    int *code = arg;
    (void)result;
    *code = task_join(task_retain(task_current()), NULL);
    return 3;
}

static atomic_int joined_frees;
static void count_free(void *arg) {
    (void)arg;
    atomic_fetch_add(&joined_frees, 1);
}

START_TEST(join_of_oneself_gets_cycle_and_gives_the_reference_back) {
    /* Were the reference kept, the 100 blocks would be a leak (seen by ASan) and free_arg not called at the end. */
    task_pool *pool = pool_of(1);
    int code = 0;
    listen_to_reports();
    for (unsigned i = 0; i < 100; i++) {
        task_options o = TASK_OPTIONS_INIT;
        task *t;
        o.pool = pool;
        o.free_arg = count_free;
        t = task_run_with(&o, join_myself, &code);
        ck_assert_int_eq(task_await(t, NULL), 3);
        ck_assert_int_eq(code, VTASK_E_CYCLE);
        task_release(t);
    }
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&joined_frees), 100);
    ck_assert_uint_eq(reports_count(&heard), 100);
}
END_TEST

static int ring_b(void *arg, task_value *result) {
    ring *r = arg;
    result->i64 = 11;
    keep_text(r->site, sizeof r->site, VTASK_WHERE), r->inner = task_await(r->a, &r->inner_value);
    return 0;
}

static int ring_a(void *arg, task_value *result) {
    ring *r = arg;
    task_options o = TASK_OPTIONS_INIT;
    gate_pass(&r->go);
    r->inner_value = as_i64(77);
    o.name = "bertha";
    r->b = task_run_with(&o, ring_b, r);
    must(r->b != NULL);
    return task_join(r->b, result);
}

START_TEST(ring_through_an_inline_run_task_gets_cycle_and_the_other_await_goes_on) {
    static ring r;
    task_pool *pool = pool_of(1); /* one worker: bertha runs inline */
    task_options o = TASK_OPTIONS_INIT;
    task_value v;
    gate_init(&r.go);
    listen_to_reports();
    o.pool = pool;
    o.name = "anton";
    r.a = task_run_with(&o, ring_a, &r);
    gate_open(&r.go);
    ck_assert_int_eq(task_await(r.a, &v), 0);
    ck_assert_int_eq(v.i64, 11);
    ck_assert_int_eq(r.inner, VTASK_E_CYCLE);
    ck_assert_int_eq(r.inner_value.i64, 77);
    ck_assert_uint_eq(reports_count(&heard), 1);
    ck_assert_int_eq(heard.kept[0].code, VTASK_E_CYCLE);
    ck_assert_str_eq(heard.kept[0].where, r.site);
    ck_assert_str_eq(heard.kept[0].task_name, "bertha");
    ck_assert_ptr_nonnull(strstr(heard.kept[0].text, "anton"));
    ck_assert_ptr_nonnull(strstr(heard.kept[0].text, "bertha"));
    task_release(r.a);
    close_pool(pool);
}
END_TEST

typedef struct chain {
    task *first;
    unsigned depth;
    int code;
} chain;

static int chain_link(void *arg, task_value *result) {
    chain *c = arg;
    if (c->depth == 0) {
        c->code = task_await(c->first, result);
        return 0;
    }
    chain next = {c->first, c->depth - 1, 0};
    task *t = task_run(chain_link, &next);
    must(t != NULL);
    must(task_join(t, NULL) == 0);
    c->code = next.code;
    return 0;
}

static int chain_start(void *arg, task_value *result) {
    chain *c = arg;
    (void)result;
    c->first = task_current();
    return chain_link(c, result);
}

START_TEST(long_ring_on_one_stack_gets_cycle) {
    static const unsigned depths[] = {0, 1, 2, 3, 60, 63, 64, 65, 200};
    task_pool *pool = pool_of(1);
    chain c = {NULL, depths[_i], 0};
    listen_to_reports();
    ck_assert_int_eq(do_in(pool, chain_start, &c), 0);
    ck_assert_int_eq(c.code, VTASK_E_CYCLE);
    ck_assert_uint_eq(reports_count(&heard), 1);
    close_pool(pool);
}
END_TEST

static int await_myself_as_value(void *arg, task_value *result) {
    int *codes = arg;
    vt v = vt_from_task(task_retain(task_current()));
    (void)result;
    codes[0] = vt_await(&v, NULL);
    codes[1] = vt_is_completed(&v);
    codes[2] = vt_await(&v, NULL); /* unspent: the same again */
    vt_discard(&v);
    codes[3] = vt_await_now(vt_from_task(task_retain(task_current())), NULL);
    return 0;
}

START_TEST(value_task_over_oneself_gets_cycle_and_stays_unspent) {
    task_pool *pool = pool_of(1);
    int codes[4] = {0, 1, 0, 0};
    listen_to_reports();
    ck_assert_int_eq(do_in(pool, await_myself_as_value, codes), 0);
    ck_assert_int_eq(codes[0], VTASK_E_CYCLE);
    ck_assert_int_eq(codes[2], VTASK_E_CYCLE);
    ck_assert_int_eq(codes[3], VTASK_E_CYCLE);
    ck_assert_uint_eq(reports_count(&heard), 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(heard.kept[i].code, VTASK_E_CYCLE);
    close_pool(pool);
}
END_TEST

typedef struct child_ring {
    task *parent;
    atomic_int begun, code;
    bool stolen;
    uint64_t parent_thread;
} child_ring;

static int child_awaits_parent(void *arg, task_value *result) {
    child_ring *r = arg;
    must(task_current() == r->parent);
    r->stolen = my_tid() != r->parent_thread;
    atomic_store(&r->begun, 1);
    result->i64 = 9;
    atomic_store(&r->code, task_await(r->parent, NULL));
    return 0;
}

static int nothing(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    return 0;
}

static int parent_of_ring(void *arg, task_value *result) {
    child_ring *r = arg;
    vt_child c;
    double limit = now() + 2;
    r->parent = task_current();
    r->parent_thread = my_tid();
    vt_fork(&c, child_awaits_parent, r);
    /* Give a thief the chance; without one the child runs at the join, which is a case of its own. */
    while (task_pool_current() != NULL && !atomic_load(&r->begun) && now() < limit) {
        vt_child other;
        vt_fork(&other, nothing, NULL);
        must(vt_join(&other, NULL) == 0);
    }
    return vt_join(&c, result);
}

START_TEST(ring_through_a_child_gets_cycle) {
    task_pool *pool = pool_of((unsigned)_i);
    child_ring r = {NULL, 0, 0, false, 0};
    task_value v;
    listen_to_reports();
    ck_assert_int_eq(task_join(run_in(pool, parent_of_ring, &r), &v), 0);
    ck_assert_int_eq(v.i64, 9);
    ck_assert_int_eq(atomic_load(&r.code), VTASK_E_CYCLE);
    ck_assert_uint_eq(reports_count(&heard), 1);
    close_pool(pool);
}
END_TEST

/* ---- recursion ---- */

typedef struct fib_arg {
    int64_t n;
} fib_arg;

static int fib_by_tasks(void *arg, task_value *result) {
    fib_arg *a = arg;
    fib_arg left = {a->n - 1}, right = {a->n - 2};
    task_value l, r;
    task *t;
    int err;
    if (a->n < 2) {
        result->i64 = a->n;
        return 0;
    }
    t = task_run(fib_by_tasks, &left);
    must(t != NULL);
    err = fib_by_tasks(&right, &r);
    must(err == 0);
    err = task_join(t, &l);
    if (err != 0)
        return err;
    result->i64 = l.i64 + r.i64;
    return 0;
}

static int fib_by_when_all(void *arg, task_value *result) {
    fib_arg *a = arg;
    fib_arg left = {a->n - 1}, right = {a->n - 2};
    task *both[2], *all;
    task_value l = as_i64(0), r = as_i64(0);
    int err;
    if (a->n < 2) {
        result->i64 = a->n;
        return 0;
    }
    both[0] = task_run(fib_by_when_all, &left);
    both[1] = task_run(fib_by_when_all, &right);
    must(both[0] != NULL && both[1] != NULL);
    all = when_all(both, 2);
    must(all != NULL);
    err = task_join(all, NULL);
    if (err == 0)
        err = task_join(both[0], &l);
    else
        task_release(both[0]);
    if (err == 0)
        err = task_join(both[1], &r);
    else
        task_release(both[1]);
    result->i64 = l.i64 + r.i64;
    return err;
}

START_TEST(recursive_fork_join_needs_few_threads) {
    static const unsigned widths[] = {1, 2, 4, 8};
    task_pool *pool = pool_of(widths[_i % 4]);
    bool by_tasks = _i < 4;
    fib_arg a = {UNDER_SANITIZER ? 13 : by_tasks ? 21 : 18};
    int64_t expected = UNDER_SANITIZER ? 233 : by_tasks ? 10946 : 2584;
    task_pool_stats s = TASK_POOL_STATS_INIT;
    for (unsigned round = 0; round < 3; round++) {
        task_value v = as_i64(0);
        ck_assert_int_eq(task_join(run_in(pool, by_tasks ? fib_by_tasks : fib_by_when_all, &a), &v), 0);
        ck_assert_int_eq(v.i64, expected);
    }
    task_pool_get_stats(pool, &s);
    ck_assert_uint_le(s.threads, 256);
    ck_assert_uint_le(threads_now(), 256 + 8);
    if (widths[_i % 4] == 1)
        ck_assert_uint_le(s.threads, 8); /* everything can run inline */
    close_pool(pool);
}
END_TEST

/* ---- yield ---- */

typedef struct yielder {
    atomic_int ran;
    int code, seen;
    unsigned n;
} yielder;

static int queue_and_yield(void *arg, task_value *result) {
    yielder *y = arg;
    task *self = task_current();
    (void)result;
    for (unsigned i = 0; i < y->n; i++) {
        task *t = task_run(count_up, &y->ran);
        must(t != NULL);
        task_release(t);
    }
    y->code = task_yield();
    y->seen = atomic_load(&y->ran);
    must(task_current() == self);
    return 0;
}

START_TEST(yield_lets_queued_tasks_begin_on_a_pool_of_one) {
    static const unsigned counts[] = {0, 1, 10, 1000};
    task_pool *pool = pool_of(1);
    yielder y = {0, -1, -1, counts[_i]};
    ck_assert_int_eq(do_in(pool, queue_and_yield, &y), 0);
    ck_assert_int_eq(y.code, 0);
    ck_assert_int_eq(y.seen, (int)counts[_i]);
    ck_assert_int_eq(task_yield(), 0);
    close_pool(pool);
}
END_TEST

static int yield_often(void *arg, task_value *result) {
    (void)result;
    for (unsigned i = 0; i < 20; i++)
        must(task_yield() == 0);
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

START_TEST(tasks_that_all_yield_all_end) {
    enum { N = 40 };
    task_pool *pool = pool_of((unsigned)_i);
    atomic_int done = 0;
    for (unsigned i = 0; i < N; i++)
        task_release(run_in(pool, yield_often, &done));
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&done), N);
}
END_TEST

/* A task polls with yield for what only a task behind it does. */
static int set_flag(void *arg, task_value *result) {
    (void)result;
    atomic_store((atomic_int *)arg, 1);
    return 0;
}

static int poll_with_yield(void *arg, task_value *result) {
    atomic_int *flag = arg;
    double limit = now() + WAIT_LIMIT;
    task *t = task_run(set_flag, flag);
    (void)result;
    must(t != NULL);
    while (!atomic_load(flag)) {
        must(task_yield() == 0);
        must(now() < limit);
    }
    return task_join(t, NULL);
}

START_TEST(polling_with_yield_makes_progress) {
    task_pool *pool = pool_of(1);
    atomic_int flag = 0;
    ck_assert_int_eq(do_in(pool, poll_with_yield, &flag), 0);
    close_pool(pool);
}
END_TEST

/* ---- a thread of its own ---- */

static int open_gate(void *arg, task_value *result) {
    gate_open(arg);
    result->u64 = my_tid();
    return 0;
}

START_TEST(long_running_task_runs_while_all_workers_are_busy) {
    task_pool *pool = pool_of((unsigned)_i);
    gate hold = GATE_INIT;
    task *busy[4], *longs[4];
    task_options o = TASK_OPTIONS_INIT;
    for (int i = 0; i < _i; i++)
        busy[i] = run_in(pool, wait_at_gate, &hold);
    gate_await(&hold, (unsigned)_i);
    o.pool = pool;
    o.flags = TASK_LONG_RUNNING;
    for (unsigned i = 0; i < 4; i++)
        longs[i] = task_run_with(&o, i == 3 ? open_gate : wait_at_gate, &hold);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(task_join(longs[i], NULL), 0);
    for (int i = 0; i < _i; i++)
        ck_assert_int_eq(task_join(busy[i], NULL), 0);
    close_pool(pool);
}
END_TEST

static int await_long_running(void *arg, task_value *result) {
    task_options o = TASK_OPTIONS_INIT;
    (void)arg;
    o.flags = TASK_LONG_RUNNING;
    for (unsigned i = 0; i < 20; i++) {
        task *t = task_run_with(&o, tell_thread, NULL);
        must(t != NULL);
        must(task_join(t, result) == 0);
        must(result->u64 != my_tid());
    }
    return 0;
}

START_TEST(long_running_task_never_runs_on_its_awaiters_thread) {
    task_pool *pool = pool_of(1);
    ck_assert_int_eq(do_in(pool, await_long_running, NULL), 0);
    close_pool(pool);
}
END_TEST

static int long_with_children(void *arg, task_value *result) {
    fib_arg a = {10};
    vt_child c;
    task_value v;
    task *t;
    (void)arg;
    must(task_pool_current() != NULL);
    t = task_run(fib_by_tasks, &a);
    must(t != NULL);
    vt_fork(&c, fib_by_tasks, &a);
    must(vt_join(&c, &v) == 0 && v.i64 == 55);
    must(task_yield() == 0);
    must(task_join(t, result) == 0);
    return 0;
}

START_TEST(long_running_task_can_do_what_any_task_can) {
    task_pool *pool = pool_of(1);
    task_options o = TASK_OPTIONS_INIT;
    task_value v;
    o.pool = pool;
    o.flags = TASK_LONG_RUNNING;
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(task_join(task_run_with(&o, long_with_children, NULL), &v), 0);
        ck_assert_int_eq(v.i64, 55);
    }
    close_pool(pool);
}
END_TEST

/* ---- many submitters ---- */

typedef struct submitter {
    task_pool *pool;
    pthread_barrier_t *start;
    atomic_int *ran;
    unsigned n;
} submitter;

static void *submit_many(void *arg) {
    submitter *s = arg;
    pthread_barrier_wait(s->start);
    for (unsigned i = 0; i < s->n; i++)
        task_release(run_in(s->pool, count_up, s->ran));
    return NULL;
}

START_TEST(everything_many_threads_submit_runs_once) {
    enum { THREADS = 8 };
    task_pool *pool = pool_of(3);
    pthread_barrier_t start;
    atomic_int ran = 0;
    submitter s = {pool, &start, &ran, scaled(20000)};
    crew c = {.n = 0};
    pthread_barrier_init(&start, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        crew_add(&c, submit_many, &s);
    crew_join(&c);
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&ran), (int)(THREADS * s.n));
}
END_TEST

/* ---- exit ---- */

static int spin_for_ever(void *arg, task_value *result) {
    (void)result;
    gate_arrive(arg);
    for (;;)
        sched_yield();
    return 0;
}

static gate never = GATE_INIT;

static int submit_for_ever(void *arg, task_value *result) {
    task *t = task_run(submit_for_ever, arg);
    (void)result;
    task_release(t);
    return 0;
}

static int child_exits_busy(void) {
    task_options o = TASK_OPTIONS_INIT;
    task_pool *mine = pool_of(2);
    task_release(task_run(spin_for_ever, &never));
    task_release(task_run(wait_at_gate, &never));
    task_release(run_in(mine, spin_for_ever, &never));
    task_release(run_in(mine, submit_for_ever, NULL));
    o.flags = TASK_LONG_RUNNING;
    task_release(task_run_with(&o, spin_for_ever, &never));
    gate_await(&never, 3);
    exit(23);
}

static int exit_from_task(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    exit(24);
}

static int child_exits_from_task(void) {
    task_release(task_run(submit_for_ever, NULL));
    task_join(task_run(exit_from_task, NULL), NULL);
    return 1;
}

static int child_returns_at_once(void) {
    for (unsigned i = 0; i < 1000; i++)
        task_release(task_run(count_up, &joined_frees));
    return 25;
}

START_TEST(exit_with_running_tasks_ends_with_its_own_status) {
    static const struct {
        const char *name;
        int code;
    } ends[] = {{"exits_busy", 23}, {"exits_from_task", 24}, {"returns_at_once", 25}};
    static child_end end;
    for (unsigned i = 0; i < scaled(20); i++) {
        run_child(ends[_i].name, NULL, &end);
        assert_exits(&end, ends[_i].code);
        ck_assert_msg(end.length == 0, "it said: %s", end.err);
    }
}
END_TEST

/* ---- the codes ---- */

START_TEST(every_code_has_a_text_of_its_own) {
    static const int codes[] = {
#define CODE(name, offset, text) name,
        VTASK_ERRORS(CODE)
#undef CODE
    };
    const char *unknown = vtask_strerror(123456789);
    ck_assert_ptr_nonnull(unknown);
    ck_assert_str_eq(unknown, "unknown error");
    ck_assert_str_eq(vtask_strerror(-1), "unknown error");
    ck_assert_ptr_nonnull(vtask_strerror(0));
    ck_assert_ptr_nonnull(vtask_strerror(INT32_MIN));
    ck_assert_ptr_nonnull(vtask_strerror(INT32_MAX));
    for (size_t i = 0; i < COUNT(codes); i++) {
        ck_assert_int_gt(codes[i], VTASK_E_BASE);
        ck_assert_str_ne(vtask_strerror(codes[i]), "unknown error");
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(vtask_strerror(codes[i]), vtask_strerror(codes[k]));
    }
    ck_assert_str_ne(vtask_strerror(EINVAL), "unknown error");
    ck_assert_str_ne(vtask_strerror(ENOMEM), vtask_strerror(EINVAL));
    ck_assert_str_eq(vtask_version(), VTASK_VERSION_STRING);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("task");
    TCase *c = case_in(s, "outcomes");
    tcase_add_loop_test(c, every_outcome_reaches_every_awaiter_and_callbacks_run_once, 0, (int)COUNT(outcomes));
    tcase_add_loop_test(c, argument_is_copied_aligned_and_freed_once, 0, (int)COUNT(sizes));
    tcase_add_test(c, made_task_has_ended_and_gives_its_outcome_as_often_as_asked);
    tcase_add_test(c, task_outlives_its_pool);
    tcase_add_test(c, every_code_has_a_text_of_its_own);
    c = case_in(s, "identity");
    tcase_add_test(c, run_uses_the_default_pool_outside_and_the_current_pool_inside);
    tcase_add_test(c, task_made_by_a_task_runs_in_its_pool);
    tcase_add_test(c, no_two_tasks_have_the_same_id);
    tcase_add_loop_test(c, current_task_is_right_before_during_and_after_inline_runs, 1, 4);
    c = case_in(s, "await");
    tcase_add_test(c, worker_that_awaits_an_unstarted_task_runs_it_itself);
    tcase_add_test(c, awaited_task_is_claimed_from_the_end_of_a_long_queue_and_it_alone);
    tcase_add_test(c, hundreds_of_threads_and_tasks_await_one_task);
    tcase_add_test(c, value_is_freed_at_the_last_of_many_releases);
    tcase_add_loop_test(c, recursive_fork_join_needs_few_threads, 0, 8);
    c = case_in(s, "rings");
    tcase_add_test(c, task_that_awaits_itself_gets_cycle_and_a_report);
    tcase_add_test(c, join_of_oneself_gets_cycle_and_gives_the_reference_back);
    tcase_add_test(c, task_that_retains_itself_while_it_is_released_stays_whole);
    tcase_add_test(c, ring_through_an_inline_run_task_gets_cycle_and_the_other_await_goes_on);
    tcase_add_loop_test(c, long_ring_on_one_stack_gets_cycle, 0, 9);
    tcase_add_test(c, value_task_over_oneself_gets_cycle_and_stays_unspent);
    tcase_add_loop_test(c, ring_through_a_child_gets_cycle, 1, 4);
    c = case_in(s, "yield and long running");
    tcase_add_loop_test(c, yield_lets_queued_tasks_begin_on_a_pool_of_one, 0, 4);
    tcase_add_loop_test(c, tasks_that_all_yield_all_end, 1, 4);
    tcase_add_test(c, polling_with_yield_makes_progress);
    tcase_add_loop_test(c, long_running_task_runs_while_all_workers_are_busy, 1, 4);
    tcase_add_test(c, long_running_task_never_runs_on_its_awaiters_thread);
    tcase_add_test(c, long_running_task_can_do_what_any_task_can);
    c = case_in(s, "load and exit");
    tcase_add_test(c, everything_many_threads_submit_runs_once);
    tcase_add_loop_test(c, exit_with_running_tasks_ends_with_its_own_status, 0, 3);
    return s;
}

int main(int argc, char **argv) {
    static const child_main children[] = {{"exits_busy", child_exits_busy},
                                          {"exits_from_task", child_exits_from_task},
                                          {"returns_at_once", child_returns_at_once}};
    return suite_main(argc, argv, make, children, COUNT(children));
}
