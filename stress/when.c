/* when.c: stress of when_all, when_any and when_each.
 *
 * In each round all threads, some of them as tasks, build combinators over the same inputs while those end: tasks of a
 * pool, sources that a thread completes at a random moment, tasks that have ended, and some that do not end before the
 * round does. Inputs are doubled, combinators nested (some 10000 deep) and released early. Each one's outcome is what
 * its inputs' outcomes say; when_each tells each index once. Over one task that never ends, when_any and a stopped
 * when_each leave no waiter behind.
 */
#include <errno.h>
#include <vtask.h>

#include "harness.h"
#include "task/task.h"

enum { INPUTS = 24, WIDEST = 10, BUILT = 16, SHORT = 4, PIECES = 3, DEEPEST = 3, CHAIN = 10000, ERROR_BASE = 5000 };

static struct counter built = {"combinators built", 0}, checked = {"combinators awaited", 0};
static struct counter dropped = {"combinators released early", 0}, loops = {"when_each", 0}, chains = {"chains", 0};
static struct counter told = {"when_each: calls", 0}, to_tell = {"when_each: calls due", 0};
static struct counter *const counters[] = {&built, &checked, &dropped, &loops, &told, &to_tell, &chains};

enum kind { OF_SOURCE, OF_TASK, OF_ENDED, OF_LATE, KINDS };

struct input {
    enum kind kind; /* OF_LATE: a source that is completed when the round is over */
    uint64_t seed;
    int error;
    vt_source source;
    task *task;
};

static struct {
    task_pool *pool;
    struct input inputs[INPUTS];
    vt_source forever_source;
    task *forever;
    size_t chain;
    bool again; /* one thread writes it between two meetings */
} all;

/* --- inputs --- */

static int end_as_told(void *arg, task_value *result) {
    const struct input *in = arg;
    work(in->seed % 4000);
    result->u64 = in->seed;
    return in->error;
}

static task *run_in_pool(task_fn *fn, void *arg) {
    task_options options = TASK_OPTIONS_INIT;
    options.pool = all.pool;
    task *t = task_run_with(&options, fn, arg);
    must(t != NULL);
    return t;
}

static task *task_of_source(vt_source *s) {
    vt v = vt_from_source(s);
    task *t = vt_as_task(&v);
    must(t != NULL);
    return t;
}

static void make_input(struct input *in, struct random *random) {
    in->kind = (enum kind)random_below(random, KINDS);
    in->seed = random_next(random);
    in->error = one_in(random, 6) ? ERROR_BASE + (int)random_below(random, 100) : 0;
    switch (in->kind) {
    case OF_TASK:
        in->task = run_in_pool(end_as_told, in);
        break;
    case OF_ENDED:
        in->task = in->error != 0 ? task_from_error(in->error) : task_from_value((task_value){.u64 = in->seed});
        must(in->task != NULL);
        break;
    default:
        vt_source_init(&in->source);
        in->task = task_of_source(&in->source);
    }
}

static void complete(struct input *in) {
    must_be(in->error != 0 ? vt_source_set_error(&in->source, in->error)
                           : vt_source_set_value(&in->source, (task_value){.u64 = in->seed}),
            0);
}

static bool has_ended(const struct input *in) { return task_error(in->task) != EAGAIN; }

static void end_input(struct input *in) {
    if (in->kind == OF_LATE) {
        must(!has_ended(in));
        complete(in);
    }
    must_be(task_join(in->task, NULL), in->error);
    if (in->kind == OF_SOURCE || in->kind == OF_LATE) {
        must_be(vt_source_fini(&in->source), 0);
    }
}

/* --- combinators --- */

/* What a thread chose: some inputs, some of them twice. */
struct choice {
    unsigned n, index[WIDEST];
    bool has_late;
};

static bool add(struct choice *c, unsigned index, bool may_be_late) {
    bool late = all.inputs[index].kind == OF_LATE;
    if (late && !may_be_late) {
        return false;
    }
    c->index[c->n++] = index;
    c->has_late |= late;
    return true;
}

/* At least one; at least one that ends in time. */
static void choose(struct choice *c, struct random *random, bool may_be_late) {
    unsigned n = 1 + (unsigned)random_below(random, WIDEST - 1), index = (unsigned)random_below(random, INPUTS);
    *c = (struct choice){0};
    for (unsigned tries = 0; c->n < n && tries < INPUTS; tries++) {
        (void)add(c, (unsigned)random_below(random, INPUTS), may_be_late);
    }
    while (!add(c, index, false)) { /* input 0 is never late */
        index--;
    }
}

static void tasks_of(const struct choice *c, task *tasks[]) {
    for (unsigned i = 0; i < c->n; i++) {
        tasks[i] = all.inputs[c->index[i]].task;
    }
}

typedef task *combine_fn(task *const tasks[], size_t n, const char *where);

/* A combinator over the inputs, or over combinators over some of them each. The inner ones are released at once. */
static task *nest(combine_fn *combine, task *const tasks[], size_t n, unsigned depth, struct random *random) {
    task *pieces[PIECES];
    size_t count = 0, at = 0;
    if (depth == 0 || n == 0) {
        return combine(tasks, n, VTASK_WHERE);
    }
    for (; count < PIECES && at < n; count++) {
        size_t length = count == PIECES - 1 ? n - at : 1 + random_below(random, n - at);
        pieces[count] = nest(combine, tasks + at, length, (unsigned)random_below(random, depth), random);
        must(pieces[count] != NULL);
        at += length;
    }
    task *whole = combine(pieces, count, VTASK_WHERE);
    for (size_t i = 0; i < count; i++) {
        task_release(pieces[i]);
    }
    return whole;
}

/* when_all of when_all of ... the input. */
static task *chain_over(task *t) {
    task *link = task_retain(t);
    for (size_t i = 0; i < all.chain; i++) {
        task *next = when_all(&link, 1);
        must(next != NULL);
        task_release(link);
        link = next;
    }
    counter_add(&chains, 1);
    return link;
}

struct combinator {
    struct choice inputs;
    bool is_any;
    unsigned depth;
    task *task;
};

static void build(struct combinator *c, struct random *random, bool to_be_awaited) {
    task *tasks[WIDEST];
    c->is_any = one_in(random, 2);
    c->depth = (unsigned)random_below(random, DEEPEST);
    choose(&c->inputs, random, c->is_any || !to_be_awaited);
    tasks_of(&c->inputs, tasks);
    if (!c->is_any && one_in(random, 100)) {
        c->inputs.n = 1;
        c->inputs.index[0] = 0; /* never late */
        c->task = chain_over(all.inputs[0].task);
    } else {
        c->task = nest(c->is_any ? when_any_at : when_all_at, tasks, c->inputs.n, c->depth, random);
    }
    must(c->task != NULL);
    counter_add(&built, 1);
}

static int first_error(const struct choice *c) {
    for (unsigned i = 0; i < c->n; i++) {
        if (all.inputs[c->index[i]].error != 0) {
            return all.inputs[c->index[i]].error;
        }
    }
    return 0;
}

static void check_ended(const struct choice *c, unsigned least) {
    unsigned ended = 0;
    for (unsigned i = 0; i < c->n; i++) {
        ended += has_ended(&all.inputs[c->index[i]]);
    }
    must(ended >= least);
}

static void check(struct combinator *c) {
    task_value value = {.u64 = UINT64_MAX};
    int error = task_await(c->task, &value);
    if (!c->is_any) {
        must_be(error, first_error(&c->inputs));
        must_be(value.u64, error == 0 ? 0 : UINT64_MAX);
        check_ended(&c->inputs, c->inputs.n);
    } else {
        must_be(error, 0);
        must(value.u64 < c->inputs.n);
        must(c->depth > 0 || has_ended(&all.inputs[c->inputs.index[value.u64]]));
        check_ended(&c->inputs, 1);
    }
    task_release(c->task);
    counter_add(&checked, 1);
}

/* --- loops --- */

struct loop {
    const struct choice *inputs;
    unsigned seen[WIDEST + 1], calls, stop_after; /* plain: one call at a time, on the caller's thread */
    task *forever;                                /* the last index, or NULL */
};

enum { STOPPED = 77 };

static int tell(void *context, size_t index, task *done) {
    struct loop *l = context;
    must(index < l->inputs->n);
    const struct input *in = &all.inputs[l->inputs->index[index]];
    must(done == in->task);
    must_be(task_error(done), in->error);
    must_be(l->seen[index]++, 0);
    counter_add(&told, 1);
    return ++l->calls == l->stop_after ? STOPPED : 0;
}

/* Over inputs that end; some with one more that does not, and stopped before it matters. */
static void loop_over(struct random *random) {
    struct choice c;
    task *tasks[WIDEST + 1];
    choose(&c, random, false);
    struct loop l = {.inputs = &c};
    tasks_of(&c, tasks);
    l.forever = one_in(random, 2) ? all.forever : NULL;
    tasks[c.n] = l.forever;
    l.stop_after = l.forever != NULL ? 1 + (unsigned)random_below(random, c.n) : 0;
    counter_add(&to_tell, l.forever != NULL ? l.stop_after : c.n);
    must_be(when_each(tasks, c.n + (l.forever != NULL), tell, &l), l.forever != NULL ? STOPPED : 0);
    must_be(l.calls, l.forever != NULL ? l.stop_after : c.n);
    counter_add(&loops, 1);
}

/* --- a short one beside one that never ends --- */

static int be_short(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    return 0;
}

static void race_forever(struct random *random) {
    unsigned place = (unsigned)random_below(random, 2);
    task *tasks[2] = {all.forever, all.forever};
    task *t = tasks[place] = run_in_pool(be_short, NULL);
    task *any = when_any(tasks, 2);
    must(any != NULL);
    task_value value = {.u64 = 7};
    task_release(t);
    must_be(task_join(any, &value), 0);
    must_be(value.u64, place);
}

/* --- rounds --- */

struct part {
    struct random random;
    unsigned index, threads;
};

static void build_one(struct combinator *c, struct random *random) {
    bool keep = one_in(random, 2);
    build(c, random, keep);
    if (!keep) {
        task_release(c->task);
        c->task = NULL;
        counter_add(&dropped, 1);
    }
}

/* Builds while it completes its share of the sources. */
static void build_and_complete(struct part *p, struct combinator c[]) {
    unsigned n = 0;
    for (unsigned i = 0; i < INPUTS; i++) {
        if (n < BUILT && one_in(&p->random, 2)) {
            build_one(&c[n++], &p->random);
        }
        if (i % p->threads == p->index && all.inputs[i].kind == OF_SOURCE) {
            complete(&all.inputs[i]);
        }
    }
    while (n < BUILT) {
        build_one(&c[n++], &p->random);
    }
}

/* Waits only when it has completed all of its share: nobody waits in a ring. */
static int take_part(void *arg, task_value *result) {
    struct part *p = arg;
    struct combinator c[BUILT];
    (void)result;
    build_and_complete(p, c);
    for (unsigned i = 0; i < BUILT; i++) {
        if (c[i].task != NULL) {
            check(&c[i]);
        }
    }
    for (unsigned i = 0; i < SHORT; i++) {
        loop_over(&p->random);
        race_forever(&p->random);
    }
    return 0;
}

static void take_part_somewhere(struct thread *me) {
    struct part p = {random_of(random_next(&me->random)), me->index, me->threads};
    task_value none;
    must_be(one_in(&me->random, 2) ? take_part(&p, &none) : task_join(run_in_pool(take_part, &p), NULL), 0);
}

static void prepare(struct thread *me) {
    all.again = stress_goes_on(1, 1);
    for (unsigned i = 0; all.again && i < INPUTS; i++) {
        do {
            if (i == 0 && all.inputs[0].task != NULL) {
                end_input(&all.inputs[0]);
            }
            make_input(&all.inputs[i], &me->random);
        } while (i == 0 && all.inputs[0].kind == OF_LATE);
    }
}

static void finish(void) {
    for (unsigned i = 0; i < INPUTS; i++) {
        end_input(&all.inputs[i]);
        all.inputs[i].task = NULL;
    }
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
        take_part_somewhere(me);
        if (meet(me)) {
            finish();
        }
        beat(me, BUILT);
    }
}

int main(int argc, char **argv) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    stress_begin(argc, argv, "when", counters, COUNT(counters));
    vt_source_init(&all.forever_source);
    all.forever = task_of_source(&all.forever_source);
    all.chain = stress_load(CHAIN);
    options.workers = stress_threads(2) / 2;
    must_be(task_pool_create(&all.pool, &options), 0);
    stress_run(stress_threads(1), rounds, NULL);
    must_be(task_pool_close(all.pool), 0);
    must(load_acq(&all.forever->waiters) == NULL); /* the losers were let go */
    must_be(vt_source_set_value(&all.forever_source, (task_value){.u64 = 0}), 0);
    must_be(task_join(all.forever, NULL), 0);
    must_be(vt_source_fini(&all.forever_source), 0);
    must_be(vti_blocks_in_use(), 0);
    stress_equal(&to_tell, &told);
    counter_add(&checked, counter_get(&dropped));
    stress_equal(&built, &checked);
    return stress_end();
}
