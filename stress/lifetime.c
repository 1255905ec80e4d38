/* lifetime.c: stress of a task's references, callbacks and outcome.
 *
 * Threads and tasks make tasks with all kinds of options, put them where others find them, retain, look at, await and
 * release them in random order; half-way through a round the pool is closed, and the handles live on. For each task:
 * its function ran once, its argument was freed once and before any await ended, its value was right for everybody
 * and was freed once, at the end. A task awaits only tasks that were made before the outermost task around it, so
 * nobody waits in a ring.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <vtask.h>

#include "harness.h"
#include "task/task.h"

enum { SLOTS = 12, RECORDS = 4000, DEEPEST = 3, PADDING = 300, ERROR_BASE = 2000, THREADS_OF_ITS_OWN = 100 };

static struct counter made = {"tasks made", 0}, ran = {"tasks run", 0}, awaits = {"awaits", 0};
static struct counter args = {"arguments to free", 0}, args_freed = {"arguments freed", 0};
static struct counter values = {"values to free", 0}, values_freed = {"values freed", 0};
static struct counter busy = {"waits refused for want of threads", 0};
static struct counter *const counters[] = {&made, &ran, &awaits, &args, &args_freed, &values, &values_freed, &busy};

/* What is known of one task; outlives it. */
struct record {
    uint64_t seed;
    uint64_t before; /* it may await what has a smaller number */
    bool frees_arg, frees_value, copies, has_name;
    int error;        /* what it returns */
    unsigned times;   /* plain */
    uint32_t a_freed; /* its argument */
};

/* An argument, or the head of a copied one. */
struct argument {
    struct record *record;
    unsigned depth, padding;
    unsigned char bytes[PADDING];
};

struct slot {
    pthread_mutex_t lock;
    task *task; /* one reference, or NULL */
    struct record *record;
};

static struct {
    task_pool *pool;
    struct slot slots[SLOTS];
    struct record records[RECORDS];
    size_t most;
    uint64_t a_next; /* record */
    bool again;      /* one thread writes it between two meetings */
} all;

static const char name_of_some[] = "some";

/* --- looking and awaiting --- */

static void check_value(const struct record *r, task_value value) {
    must_be(r->frees_value ? *(const uint64_t *)value.ptr : value.u64, mix(r->seed));
}

/* It has ended. */
static void check_end(task *t, struct record *r) {
    must_be(task_error(t), r->error);
    must_be(task_status(t), r->error == 0 ? TASK_SUCCEEDED : TASK_FAILED);
    must_be(r->times, 1);
    must_be(load_rlx(&r->a_freed), r->frees_arg); /* the await carries it */
}

/* Awaits it; the caller's reference keeps it, and with it the value. */
static void await(task *t, struct record *r) {
    task_value value = {.u64 = 1};
    int error = task_await(t, &value);
    counter_add(&awaits, 1);
    if (error == VTASK_E_OVERFLOW || error == EAGAIN) {
        counter_add(&busy, 1);
        return;
    }
    must_be(error, r->error);
    if (error == 0) {
        check_value(r, value);
    } else {
        must_be(value.u64, 1);
    }
    check_end(t, r);
}

static void look(task *t, struct record *r) {
    enum task_status before = task_status(t);
    int error = task_error(t);
    enum task_status after = task_status(t);
    must(task_name(t) == (r->has_name ? name_of_some : NULL));
    must(task_id(t) != 0 && before >= TASK_QUEUED && before <= after && after != TASK_CANCELLED);
    must(error == EAGAIN ? before < TASK_SUCCEEDED : after >= TASK_SUCCEEDED);
    if (before >= TASK_SUCCEEDED) {
        check_end(t, r);
    }
}

/* --- tasks --- */

static void free_arg(void *arg) {
    struct argument *a = arg;
    must(a->record->frees_arg && a->record->times == 1);
    must_be(add_rlx(&a->record->a_freed, 1u), 0);
    counter_add(&args_freed, 1);
    if (!a->record->copies) {
        free(a);
    }
}

static void free_value(task_value value) {
    must(value.ptr != NULL);
    counter_add(&values_freed, 1);
    free(value.ptr);
}

static void check_argument(const struct argument *a) {
    must(!a->record->copies || (uintptr_t)a % _Alignof(max_align_t) == 0);
    for (unsigned i = 0; i < a->padding; i++) {
        must_be(a->bytes[i], (unsigned char)(a->record->seed + i));
    }
}

static task *make(struct random *random, uint64_t before, unsigned depth, struct record **record);
static void meddle(struct random *random, uint64_t before);

static void live(struct random *random, uint64_t before, unsigned depth) {
    struct record *r;
    task *t;
    switch (random_below(random, 8)) {
    case 0:
        counter_add(&busy, task_yield() != 0);
        break;
    case 1:
        meddle(random, before);
        break;
    case 2:
    case 3:
        t = depth > 0 ? make(random, before, depth - 1, &r) : NULL;
        if (t != NULL) {
            await(t, r);
            task_release(t);
        }
        break;
    default:
        work(random_below(random, 2000));
    }
}

static int body(void *arg, task_value *result) {
    struct argument *a = arg;
    struct record *r = a->record;
    struct random random = {r->seed};
    check_argument(a);
    must(task_name(task_current()) == (r->has_name ? name_of_some : NULL));
    must_be(task_status(task_current()), TASK_RUNNING);
    must_be(task_error(task_current()), EAGAIN);
    for (uint64_t n = random_below(&random, 4); n > 0; n--) {
        live(&random, r->before, a->depth);
    }
    r->times++;
    counter_add(&ran, 1);
    if (r->error == 0) {
        result->u64 = mix(r->seed);
        if (r->frees_value) {
            uint64_t *value = malloc(sizeof *value);
            must(value != NULL);
            *value = mix(r->seed);
            result->ptr = value;
            counter_add(&values, 1);
        }
    }
    if (!r->frees_arg && !r->copies) {
        free(a);
    }
    return r->error;
}

static struct record *new_record(struct random *random, uint64_t before) {
    uint64_t number = add_rlx(&all.a_next, (uint64_t)1); /* a number */
    if (number >= all.most) {
        return NULL;
    }
    struct record *r = &all.records[number];
    *r = (struct record){.seed = random_next(random), .before = before < number ? before : number};
    r->frees_arg = one_in(random, 2);
    r->frees_value = one_in(random, 2);
    r->copies = one_in(random, 2);
    r->has_name = one_in(random, 3);
    r->error = one_in(random, 5) ? ERROR_BASE + (int)(number & 1023) : 0;
    return r;
}

static void fill(struct argument *a, struct record *r, unsigned depth, unsigned padding) {
    a->record = r;
    a->depth = depth;
    a->padding = padding;
    for (unsigned i = 0; i < padding; i++) {
        a->bytes[i] = (unsigned char)(r->seed + i);
    }
}

/* NULL: this round's records are used up. */
static task *make(struct random *random, uint64_t before, unsigned depth, struct record **record) {
    struct record *r = *record = new_record(random, before);
    if (r == NULL) {
        return NULL;
    }
    struct argument on_stack, *a = r->copies ? &on_stack : malloc(sizeof *a);
    must(a != NULL);
    fill(a, r, depth, (unsigned)random_below(random, PADDING));
    task_options o = TASK_OPTIONS_INIT;
    o.pool = all.pool;
    o.name = r->has_name ? name_of_some : NULL;
    o.arg_size = r->copies ? offsetof(struct argument, bytes) + a->padding : 0;
    o.free_arg = r->frees_arg ? free_arg : NULL;
    o.free_value = r->frees_value ? free_value : NULL;
    o.flags = one_in(random, THREADS_OF_ITS_OWN) ? TASK_LONG_RUNNING : 0;
    counter_add(&args, r->frees_arg);
    counter_add(&made, 1);
    task *t = task_run_with(&o, body, a);
    must(t != NULL);
    return t;
}

/* --- handles --- */

/* Puts a task where others find it, in place of another one. */
static void publish(struct random *random, task *t, struct record *r) {
    struct slot *s = &all.slots[random_below(random, SLOTS)];
    pthread_mutex_lock(&s->lock);
    task *old = s->task;
    s->task = t;
    s->record = r;
    pthread_mutex_unlock(&s->lock);
    task_release(old);
}

static task *find(struct random *random, struct record **r) {
    struct slot *s = &all.slots[random_below(random, SLOTS)];
    pthread_mutex_lock(&s->lock);
    task *t = task_retain(s->task);
    *r = s->record;
    pthread_mutex_unlock(&s->lock);
    return t;
}

/* Does something to a task that somebody else made. */
static void meddle(struct random *random, uint64_t before) {
    struct record *r;
    task *t = find(random, &r);
    if (t == NULL) {
        return;
    }
    look(t, r);
    if ((uint64_t)(r - all.records) < before && !one_in(random, 3)) {
        await(t, r);
    }
    task_release(t);
}

static void make_one(struct random *random) {
    struct record *r;
    task *t = make(random, UINT64_MAX, DEEPEST, &r);
    if (t == NULL) {
        return;
    }
    switch (random_below(random, 4)) {
    case 0:
        task_release(t); /* most likely before it ends */
        break;
    case 1:
        await(t, r);
        task_release(t);
        break;
    case 2:
        publish(random, task_retain(t), r);
        look(t, r);
        task_release(t);
        break;
    default:
        publish(random, t, r);
    }
}

/* --- rounds --- */

static void begin_round(void) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    all.again = stress_goes_on(1, 1);
    store_rlx(&all.a_next, (uint64_t)0); /* the meeting carries it */
    if (all.again) {
        options.workers = stress_threads(1);
        must_be(task_pool_create(&all.pool, &options), 0);
    }
}

static void check_records(void) {
    uint64_t n = load_rlx(&all.a_next); /* the meeting carried it */
    for (uint64_t i = 0; i < n && i < all.most; i++) {
        must_be(all.records[i].times, 1);
        must_be(load_rlx(&all.records[i].a_freed), all.records[i].frees_arg);
    }
    must_be(counter_get(&values_freed), counter_get(&values));
    must_be(vti_blocks_in_use(), 0);
}

static void empty_slots(void) {
    for (size_t i = 0; i < SLOTS; i++) {
        task_release(all.slots[i].task);
        all.slots[i].task = NULL;
    }
}

static void one_round(struct thread *me) {
    while (load_rlx(&all.a_next) < all.most) { /* a number */
        one_in(&me->random, 2) ? make_one(&me->random) : meddle(&me->random, UINT64_MAX);
        beat(me, 1);
    }
    if (meet(me)) {
        must_be(task_pool_close(all.pool), 0);
    }
    (void)meet(me);
    for (unsigned i = 0; i < 100; i++) { /* the tasks outlive their pool */
        meddle(&me->random, UINT64_MAX);
    }
    if (meet(me)) {
        empty_slots();
        check_records();
    }
    (void)meet(me);
}

static void lives(struct thread *me) {
    for (;;) {
        if (meet(me)) {
            begin_round();
        }
        (void)meet(me);
        if (!all.again) {
            return;
        }
        one_round(me);
        beat(me, 1);
    }
}

int main(int argc, char **argv) {
    stress_begin(argc, argv, "lifetime", counters, COUNT(counters));
    all.most = stress_load(RECORDS);
    for (size_t i = 0; i < SLOTS; i++) {
        must(pthread_mutex_init(&all.slots[i].lock, NULL) == 0);
    }
    stress_run(stress_threads(1), lives, NULL);
    stress_equal(&made, &ran);
    stress_equal(&args, &args_freed);
    stress_equal(&values, &values_freed);
    return stress_end();
}
