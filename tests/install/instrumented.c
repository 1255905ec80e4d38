/* instrumented.c: a user's program, to be built with ThreadSanitizer and run against a library that was not.
 *
 * All data is plain: only the library orders it. Each promise of "what happens before what" that a user may lean on is
 * leaned on here, from several threads at once. With -DRACE it has a race of its own, which must be found.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <vtask.h>

#define THREADS 4
#define ROUNDS 200
#define WIDTH 16

#define CHECK(condition)                                                                        \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            (void)fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                            \
        }                                                                                       \
    } while (0)

struct cell {
    long in, out;
};

/* On the heap: some compilers do not instrument what a function reads of its own frame. */
static struct cell *cells_new(int n, long in, long out) {
    struct cell *cells = malloc((size_t)n * sizeof *cells);
    CHECK(cells != NULL);
    for (int i = 0; i < n; i++) {
        cells[i] = (struct cell){in + i, out};
    }
    return cells;
}

static int add_one(void *arg, task_value *result) {
    struct cell *cell = arg;
    cell->out = cell->in + 1;
    result->i64 = cell->out;
    return 0;
}

static int fail_with_data(void *arg, task_value *result) {
    (void)result;
    ((struct cell *)arg)->out = 13;
    return 7;
}

/* submit -> start; end -> await */
static void await_one(long seed) {
    struct cell *cell = cells_new(1, seed, 0);
    task_value value;
    task *t = task_run(add_one, cell);
    CHECK(task_await(t, &value) == 0 && value.i64 == seed + 1);
    CHECK(cell->out == seed + 1);
    cell->in = 0;
    task_release(t);

    CHECK(task_join(task_run(fail_with_data, cell), NULL) == 7);
    CHECK(cell->out == 13);
    free(cell);
}

/* end -> a final status */
static void look_until_ended(long seed) {
    struct cell *cell = cells_new(1, seed, 0);
    task *t = task_run(add_one, cell);
    while (task_status(t) < TASK_SUCCEEDED) {
        task_yield();
    }
    CHECK(cell->out == seed + 1);
    cell->out = 0;
    task_release(t);
    free(cell);
}

static void free_arg(void *arg) {
    struct cell *cell = arg;
    cell->in = 0;
}

static void free_value(task_value value) { free(value.ptr); }

static int make(void *arg, task_value *result) {
    struct cell *made = malloc(sizeof *made);
    CHECK(made != NULL);
    *made = *(struct cell *)arg;
    made->out = made->in + 1;
    result->ptr = made;
    return 0;
}

/* a copied argument; a value on the heap; a thread of its own */
static void with_options(long seed) {
    struct cell *cell = cells_new(1, seed, 0);
    task_options options = TASK_OPTIONS_INIT;
    options.name = "make";
    options.arg_size = sizeof *cell;
    options.free_arg = free_arg;
    options.free_value = free_value;
    options.flags = seed % 50 == 0 ? TASK_LONG_RUNNING : 0;
    task *t = task_run_with(&options, make, cell);
    cell->in = -1;
    task_value value;
    CHECK(task_await(t, &value) == 0);
    CHECK(((struct cell *)value.ptr)->out == seed + 1);
    task_release(t);
    free(cell);
}

/* several tasks, all of them before the combinator's end */
static int count(void *context, size_t index, task *done) {
    struct cell *cells = context;
    CHECK(task_error(done) == 0);
    CHECK(cells[index].out == cells[index].in + 1);
    cells[index].in = 0;
    return 0;
}

static void combine(long seed) {
    struct cell *cells = cells_new(WIDTH, seed, 0);
    task *tasks[WIDTH];
    task_value value;
    for (int i = 0; i < WIDTH; i++) {
        tasks[i] = task_run(add_one, &cells[i]);
        CHECK(tasks[i] != NULL);
    }
    CHECK(task_join(when_any(tasks, WIDTH), &value) == 0 && value.u64 < WIDTH);
    CHECK(cells[value.u64].out == cells[value.u64].in + 1);
    CHECK(task_join(when_all(tasks, WIDTH), NULL) == 0);
    for (int i = 0; i < WIDTH; i++) {
        CHECK(cells[i].out == cells[i].in + 1);
        cells[i].out = 0;
        task_release(tasks[i]);
        tasks[i] = task_run(add_one, &cells[i]);
    }
    CHECK(when_each(tasks, WIDTH, count, cells) == 0);
    for (int i = 0; i < WIDTH; i++) {
        task_release(tasks[i]);
    }
    free(cells);
}

/* set -> await of a source, from another thread and from a task; reset and used again */
struct errand {
    vt_source *source;
    struct cell *cell;
};

static void *run_errand(void *arg) {
    struct errand *errand = arg;
    task_value value = {.i64 = ++errand->cell->out};
    CHECK(vt_source_set_value(errand->source, value) == 0);
    return NULL;
}

static int run_errand_as_task(void *arg, task_value *result) {
    (void)result;
    (void)run_errand(arg);
    return 0;
}

static void use_source(long seed) {
    vt_source source;
    vt_source_init(&source);
    struct cell *cell = cells_new(1, 0, seed);
    struct errand errand = {&source, cell};
    task_value value;

    vt v = vt_from_source(&source);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run_errand, &errand) == 0);
    CHECK(vt_await(&v, &value) == 0 && value.i64 == seed + 1);
    CHECK(cell->out == seed + 1);
    CHECK(pthread_join(thread, NULL) == 0);

    CHECK(vt_source_reset(&source) == 0);
    v = vt_from_source(&source);
    task *setter = task_run(run_errand_as_task, &errand);
    CHECK(vt_await(&v, &value) == 0 && value.i64 == seed + 2);
    CHECK(cell->out == seed + 2);
    CHECK(task_join(setter, NULL) == 0);
    CHECK(vt_source_fini(&source) == 0);
    free(cell);
}

/* value-tasks over tasks, awaited, awaited at once, and made tasks again */
static void use_value_tasks(long seed) {
    struct cell *cell = cells_new(1, seed, 0);
    task_value value;
    vt v = vt_from_task(task_run(add_one, cell));
    CHECK(vt_await(&v, &value) == 0 && cell->out == seed + 1);
    cell->out = 0;
    CHECK(vt_await_now(vt_from_task(task_run(add_one, cell)), &value) == 0 && cell->out == seed + 1);
    cell->out = 0;
    v = vt_from_task(task_run(add_one, cell));
    CHECK(task_join(vt_as_task(&v), &value) == 0 && cell->out == seed + 1);
    free(cell);
}

/* fork -> child; child -> join */
struct range {
    long *from, *to;
};

static int fill(void *arg, task_value *result) {
    struct range *range = arg;
    if (range->to - range->from <= 4) {
        for (long *at = range->from; at < range->to; at++) {
            *at += 1;
            result->i64 += *at;
        }
        return 0;
    }
    long *middle = range->from + (range->to - range->from) / 2;
    struct range left = {range->from, middle}, right = {middle, range->to};
    vt_child child;
    task_value theirs, mine = {0};
    vt_fork(&child, fill, &left);
    CHECK(fill(&right, &mine) == 0);
    CHECK(vt_join(&child, &theirs) == 0);
    for (long *at = range->from; at < range->to; at++) {
        CHECK(*at == 1);
    }
    result->i64 = theirs.i64 + mine.i64;
    return 0;
}

static void fork_and_join(void) {
    long cells[512] = {0};
    struct range all = {cells, cells + 512};
    task_value value;
    CHECK(task_join(task_run(fill, &all), &value) == 0 && value.i64 == 512);
    CHECK(cells[0] == 1 && cells[511] == 1);
}

/* one task, awaited by several tasks and threads, each of which reads its data */
struct shared {
    task *task;
    struct cell *cell;
};

static int await_shared(void *arg, task_value *result) {
    struct shared *shared = arg;
    int error = task_await(shared->task, result);
    CHECK(shared->cell->out == shared->cell->in + 1);
    return error;
}

static void await_by_many(long seed) {
    struct cell *cell = cells_new(1, seed, 0);
    struct shared shared = {task_run(add_one, cell), cell};
    task *awaiters[4];
    for (int i = 0; i < 4; i++) {
        awaiters[i] = task_run(await_shared, &shared);
    }
    task_value value;
    CHECK(await_shared(&shared, &value) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(task_join(awaiters[i], &value) == 0 && value.i64 == seed + 1);
    }
    cell->out = 0;
    task_release(shared.task);
    free(cell);
}

/* everything submitted -> close */
static void close_pool(long seed) {
    struct cell *cells = cells_new(WIDTH, seed, 0);
    task_pool *pool;
    task_pool_options pool_options = TASK_POOL_OPTIONS_INIT;
    pool_options.workers = 3;
    CHECK(task_pool_create(&pool, &pool_options) == 0);
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    for (int i = 0; i < WIDTH; i++) {
        task_release(task_run_with(&options, add_one, &cells[i]));
    }
    CHECK(task_pool_close(pool) == 0);
    for (int i = 0; i < WIDTH; i++) {
        CHECK(cells[i].out == seed + i + 1);
    }
    free(cells);
}

static void *work(void *arg) {
    long seed = *(long *)arg;
    for (long i = 0; i < ROUNDS; i++) {
        await_one(seed + i);
        look_until_ended(seed + i);
        with_options(seed + i);
        combine(seed + i);
        use_source(seed + i);
        use_value_tasks(seed + i);
        fork_and_join();
        await_by_many(seed + i);
        if (i % 40 == 0) {
            close_pool(seed + i);
        }
    }
    return NULL;
}

#ifdef RACE
static int written;

/* Nothing orders the flag: reading the data after it, and before the await, is a race. */
static int announce(void *arg, task_value *result) {
    (void)result;
    ((struct cell *)arg)->out = 1;
    __atomic_store_n(&written, 1, __ATOMIC_RELAXED);
    return 0;
}

static void race(void) {
    struct cell *cell = cells_new(1, 0, 0);
    task *t = task_run(announce, cell);
    while (__atomic_load_n(&written, __ATOMIC_RELAXED) == 0) {
    }
    CHECK(cell->out == 1);
    CHECK(task_join(t, NULL) == 0);
    free(cell);
}
#endif

int main(void) {
#ifdef RACE
    race();
#endif
    pthread_t threads[THREADS];
    long seeds[THREADS];
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = 1000L * i;
        CHECK(pthread_create(&threads[i], NULL, work, &seeds[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    puts("clean");
    return 0;
}
