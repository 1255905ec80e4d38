/* misuse.c: stress of value-tasks that everybody grabs at once.
 *
 * In each round all threads, some of them as tasks, go over the same value-tasks (values, errors, tasks, sources), and
 * await, convert, discard and look at them: the same struct, or copies made before. Of each value-task exactly one of
 * them gets the outcome, which is right; every other one gets a VT_E_ code and causes exactly one report, on its own
 * thread, before its call returns. A task that awaits a value-task over itself gets VTASK_E_CYCLE, and takes it from
 * nobody. Then the sources are reset and the tasks gone and recycled, and copies kept from
 * former rounds are tried: nobody gets anything.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <vtask.h>

#include "harness.h"
#include "os/thread.h"
#include "task/task.h"

enum { CELLS = 64, COPIES = 4, ERROR_BASE = 3000, TRIES = 2 };

static struct counter offered = {"value-tasks offered", 0}, won = {"value-tasks won", 0};
static struct counter lost = {"calls refused", 0}, reported = {"reports", 0}, stale = {"stale copies tried", 0};
static struct counter *const counters[] = {&offered, &won, &lost, &reported, &stale};

enum kind { OF_VALUE, OF_ERROR, OF_TASK, OF_ENDED_TASK, OF_SOURCE, OF_LEFT_SOURCE, OF_SELF, KINDS };

struct cell {
    enum kind kind;
    unsigned copies; /* structs that may be tried: READY ones have one, since a copy of a value is a value */
    vt copy[COPIES];
    vt kept[COPIES]; /* of the round before; tried when what is behind it is gone */
    bool has_kept;
    vt_source source;
    task *task; /* OF_TASK, OF_SELF: one reference; else NULL */
    uint64_t seed;
    int error;
    uint32_t a_winners;
    uint32_t a_offered; /* OF_SELF: copy[0] is there */
};

static struct {
    task_pool *pool;
    struct cell cells[CELLS];
    bool again; /* one thread writes it between two meetings */
} all;

static bool is_misuse(int code) { return code >= VT_E_REPEATED && code <= VT_E_CORRUPT; }

/* --- reports --- */

static _Thread_local struct {
    unsigned n;
    int code;
    bool good;
} heard;

static void hear(const vt_misuse *report, void *context) {
    heard.n++;
    heard.code = report->code;
    heard.good = context == &all && report->where != NULL && strstr(report->where, "misuse.c:") != NULL &&
                 report->thread == vti_thread_id() && report->task == task_id(task_current()) &&
                 (report->first_where == NULL || strstr(report->first_where, "misuse.c:") != NULL) &&
                 strstr(report->text, report->where) != NULL;
    counter_add(&reported, 1);
}

/* A call of this thread was refused: with one report, of the same code. */
static void check_refused(int code) {
    must(is_misuse(code));
    must_be(heard.n, 1);
    must_be(heard.code, code);
    must(heard.good);
    counter_add(&lost, 1);
}

/* --- trying --- */

static void check_outcome(const struct cell *c, int error, task_value value) {
    must_be(error, c->error);
    must_be(value.u64, error == 0 ? mix(c->seed) : 7);
}

static void win(struct cell *c) {
    must_be(heard.n, 0);
    must_be(add_rlx(&c->a_winners, 1u), 0);
    counter_add(&won, 1);
}

static void try_await(struct cell *c, vt *v, bool now) {
    task_value value = {.u64 = 7};
    int error = now ? vt_await_now(*v, &value) : vt_await(v, &value);
    if (is_misuse(error)) {
        must_be(value.u64, 7);
        check_refused(error);
    } else {
        check_outcome(c, error, value);
        win(c);
    }
}

static void try_convert(struct cell *c, vt *v) {
    task *t = vt_as_task(v);
    if (t == NULL) {
        check_refused(errno);
    } else {
        task_value value = {.u64 = 7};
        win(c);
        int error = task_await(t, &value);
        check_outcome(c, error, value);
        error = task_join(t, &value);
        check_outcome(c, error, value);
    }
}

static void try_discard(struct cell *c, vt *v) {
    vt_discard(v);
    if (heard.n == 0) {
        win(c);
    } else {
        check_refused(heard.code);
    }
}

static void try_one(struct cell *c, vt *v, struct random *random) {
    heard.n = 0;
    switch (random_below(random, 8)) {
    case 0:
        try_discard(c, v);
        break;
    case 1:
    case 2:
        try_convert(c, v);
        break;
    case 3:
        (void)vt_is_completed(v);
        must_be(heard.n, 0); /* looking is no misuse */
        try_await(c, v, false);
        must(vt_is_completed(v) || c->kind == OF_SELF); /* that one may have put it back */
        break;
    default:
        try_await(c, v, false);
    }
}

/* --- cells --- */

static int yield_value(void *arg, task_value *result) {
    const struct cell *c = arg;
    work(c->seed % 3000);
    result->u64 = mix(c->seed);
    return c->error;
}

/* Awaits itself, which nobody can; may run on top of another try of this thread. */
static int await_itself(void *arg, task_value *result) {
    struct cell *c = arg;
    while (load_acq(&c->a_offered) == 0) { /* <- offer */
        vti_thread_give_way();
    }
    unsigned before = heard.n;
    heard.n = 0;
    int error = vt_await(&c->copy[0], NULL);
    if (error == VTASK_E_CYCLE) {
        must(heard.n == 1 && heard.code == VTASK_E_CYCLE && heard.good);
        counter_add(&lost, 1);
    } else {
        check_refused(error);
    }
    heard.n = before;
    return yield_value(c, result);
}

static task *new_task(struct cell *c) {
    task_options options = TASK_OPTIONS_INIT;
    options.pool = all.pool;
    options.name = "grabbed";
    task *t = task_run_with(&options, c->kind == OF_SELF ? await_itself : yield_value, c);
    must(t != NULL);
    c->task = task_retain(t);
    return t;
}

static task *new_ended_task(const struct cell *c) {
    task *t = c->error != 0 ? task_from_error(c->error) : task_from_value((task_value){.u64 = mix(c->seed)});
    must(t != NULL);
    return t;
}

static vt new_vt(struct cell *c) {
    switch (c->kind) {
    case OF_VALUE:
        c->error = 0;
        return vt_from_value((task_value){.u64 = mix(c->seed)});
    case OF_ERROR:
        c->error = c->error != 0 ? c->error : ERROR_BASE;
        return vt_from_error(c->error);
    case OF_TASK:
    case OF_SELF:
        return vt_from_task(new_task(c));
    case OF_ENDED_TASK:
        return vt_from_task(new_ended_task(c));
    default:
        return vt_from_source(&c->source);
    }
}

static void offer(struct cell *c, struct random *random) {
    c->kind = (enum kind)random_below(random, KINDS);
    c->seed = random_next(random);
    c->error = one_in(random, 4) ? ERROR_BASE + (int)random_below(random, 100) : 0;
    c->copies = c->kind < OF_TASK || c->kind == OF_SELF ? 1 : 1 + (unsigned)random_below(random, COPIES);
    store_rlx(&c->a_winners, 0u); /* the meeting carries it */
    store_rlx(&c->a_offered, 0u); /* the task's start carries it */
    c->copy[0] = new_vt(c);
    for (unsigned i = 1; i < COPIES; i++) {
        c->copy[i] = c->copy[0];
    }
    store_rel(&c->a_offered, 1u); /* -> await_itself */
    counter_add(&offered, c->kind != OF_LEFT_SOURCE);
}

/* What was offered is spent: its source is reset, its task gone. */
static void take_back(struct cell *c) {
    if (c->task != NULL) { /* it was discarded, perhaps, and has yet to run */
        (void)task_join(c->task, NULL);
        c->task = NULL;
    }
    if (c->kind == OF_SELF && load_rlx(&c->a_winners) == 0) { /* the task itself had it whenever others came */
        heard.n = 0;
        try_await(c, &c->copy[0], false);
    }
    must_be(load_rlx(&c->a_winners), c->kind != OF_LEFT_SOURCE);
    c->has_kept = c->kind >= OF_TASK;
    memcpy(c->kept, c->copy, sizeof c->kept);
    if (c->kind >= OF_SOURCE) {
        must_be(vt_source_reset(&c->source), 0);
    }
}

static void complete(struct cell *c) {
    if (c->kind == OF_SOURCE) {
        must_be(c->error != 0 ? vt_source_set_error(&c->source, c->error)
                              : vt_source_set_value(&c->source, (task_value){.u64 = mix(c->seed)}),
                0);
        must_be(vt_source_set_value(&c->source, (task_value){.u64 = 0}), EALREADY);
    }
}

/* --- rounds --- */

struct walk {
    struct random random;
    unsigned index, threads;
};

static void try_cell(struct cell *c, struct walk *w) {
    for (unsigned i = 0; i < TRIES && c->kind != OF_LEFT_SOURCE; i++) {
        try_one(c, &c->copy[random_below(&w->random, c->copies)], &w->random);
    }
}

/* What is kept is behind nothing any more: nobody wins. The copy of a left source was never spent: it is stale. */
static void try_kept(struct cell *c, struct walk *w) {
    struct cell nobody = {.a_winners = 1};
    vt own = c->kept[COPIES - 1];
    if (!c->has_kept) {
        return;
    }
    try_one(&nobody, &c->kept[random_below(&w->random, COPIES - 1)], &w->random);
    heard.n = 0;
    try_await(&nobody, &own, true);
    counter_add(&stale, 2);
}

/* The threads complete the sources in the order in which they try the cells, so that nobody waits in a ring. */
static int walk(void *arg, task_value *result) {
    struct walk *w = arg;
    (void)result;
    for (unsigned i = 0; i < CELLS; i++) {
        if (i % w->threads == w->index) {
            complete(&all.cells[i]);
        }
        try_cell(&all.cells[i], w);
        try_kept(&all.cells[i], w);
        work(random_below(&w->random, 256));
    }
    return 0;
}

static void try_nothing(struct random *random) {
    vt empty = {0}, corrupt = {random_next(random) & ~(uint64_t)0xf000, {.u64 = random_next(random)}};
    struct cell nobody = {.a_winners = 1};
    try_one(&nobody, &empty, random);
    try_one(&nobody, &corrupt, random);
}

static void walk_somewhere(struct thread *me) {
    struct walk w = {random_of(random_next(&me->random)), me->index, me->threads};
    task_options options = TASK_OPTIONS_INIT;
    task_value none;
    options.pool = all.pool;
    if (one_in(&me->random, 2)) {
        must_be(walk(&w, &none), 0);
    } else {
        must_be(task_join(task_run_with(&options, walk, &w), NULL), 0);
    }
    try_nothing(&me->random);
}

static void prepare(struct thread *me) {
    all.again = stress_goes_on(1, 1);
    for (unsigned i = 0; all.again && i < CELLS; i++) {
        offer(&all.cells[i], &me->random);
    }
}

static void finish(void) {
    for (unsigned i = 0; i < CELLS; i++) {
        take_back(&all.cells[i]);
    }
    must_be(counter_get(&lost), counter_get(&reported));
}

static void rounds(struct thread *me) {
    for (;;) {
        if (meet(me)) {
            prepare(me);
        }
        (void)meet(me);
        if (!all.again) {
            return;
        }
        walk_somewhere(me);
        if (meet(me)) {
            finish();
        }
        beat(me, CELLS);
    }
}

int main(int argc, char **argv) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    stress_begin(argc, argv, "misuse", counters, COUNT(counters));
    vt_on_misuse(hear, &all);
    for (unsigned i = 0; i < CELLS; i++) {
        vt_source_init(&all.cells[i].source);
    }
    options.workers = stress_threads(2) / 2;
    must_be(task_pool_create(&all.pool, &options), 0);
    stress_run(stress_threads(2), rounds, NULL);
    must_be(task_pool_close(all.pool), 0);
    for (unsigned i = 0; i < CELLS; i++) {
        must_be(vt_source_fini(&all.cells[i].source), 0);
    }
    must_be(vti_blocks_in_use(), 0);
    stress_equal(&offered, &won);
    stress_equal(&lost, &reported);
    return stress_end();
}
