/* tests/api/test_bad_input.c: bad input and exhausted memory and threads: a code, nothing lost, no crash, no hang. */
#include "api.h"

#include <sys/resource.h>

/* A sanitizer's allocator is to fail as malloc() does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "allocator_may_return_null=1"; }

/* Memory that fails on demand, on one thread. */
#if !UNDER_SANITIZER && defined(__GLIBC__)
#define CAN_STARVE 1
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
static __thread long allocations_left __attribute__((tls_model("initial-exec"))) = -1; /* < 0: no limit */

static bool starve(void) {
    if (allocations_left < 0)
        return false;
    if (allocations_left == 0) {
        errno = ENOMEM;
        return true;
    }
    allocations_left--;
    return false;
}

void *malloc(size_t n) { return starve() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return starve() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return starve() ? NULL : __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { return starve() ? NULL : __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { return starve() ? NULL : __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) {
    void *got = starve() ? NULL : __libc_memalign(a, n);
    if (got == NULL)
        return ENOMEM;
    *p = got;
    return 0;
}
#else
#define CAN_STARVE 0
static long allocations_left;
#endif

static atomic_int callbacks;
static void forbidden_free(void *arg) {
    (void)arg;
    atomic_fetch_add(&callbacks, 1);
}
static void forbidden_free_value(task_value v) {
    (void)v;
    atomic_fetch_add(&callbacks, 1);
}

static int count_up(void *arg, task_value *result) {
    (void)result;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

/* ---- NULL ---- */

START_TEST(null_is_answered_everywhere) {
    task_pool_options po = TASK_POOL_OPTIONS_INIT;
    task_options o = TASK_OPTIONS_INIT;
    task_pool_stats stats = TASK_POOL_STATS_INIT, untouched = TASK_POOL_STATS_INIT;
    task_value v = as_i64(-7);
    ck_assert_int_eq(task_await(NULL, &v), EINVAL);
    ck_assert_int_eq(task_join(NULL, &v), EINVAL);
    ck_assert_ptr_null(task_retain(NULL));
    task_release(NULL);
    errno = 0;
    ck_assert_int_eq(task_status(NULL), TASK_FAILED);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_uint_eq(task_id(NULL), 0);
    ck_assert_ptr_null(task_name(NULL));
    ck_assert_int_eq(task_error(NULL), EINVAL);
    errno = 0;
    ck_assert_ptr_null(task_run(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(task_run_with(&o, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(task_run_with(NULL, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    atomic_int ran = 0;
    ck_assert_int_eq(task_join(task_run_with(NULL, count_up, &ran), NULL), 0);
    ck_assert_int_eq(task_join(task_run_at(count_up, &ran, NULL), NULL), 0);
    ck_assert_int_eq(atomic_load(&ran), 2);

    ck_assert_int_eq(task_pool_create(NULL, &po), EINVAL);
    ck_assert_int_eq(task_pool_create(NULL, NULL), EINVAL);
    ck_assert_int_eq(task_pool_close(NULL), EINVAL);
    task_pool_get_stats(NULL, &stats);
    ck_assert_int_eq(memcmp(&stats, &untouched, sizeof stats), 0);
    task_pool_get_stats(task_pool_default(), NULL);
    task_pool_get_stats(NULL, NULL);
    task_pool *pool = NULL;
    ck_assert_int_eq(task_pool_create(&pool, NULL), 0);
    ck_assert_ptr_nonnull(pool);
    close_pool(pool);

    ck_assert_int_eq(vt_await(NULL, &v), EINVAL);
    ck_assert(vt_is_completed(NULL));
    errno = 0;
    ck_assert_ptr_null(vt_as_task(NULL));
    ck_assert_int_eq(errno, EINVAL);
    vt_discard(NULL);
    ck_assert_int_eq(v.i64, -7);
}
END_TEST

/* ---- impossible options ---- */

START_TEST(impossible_task_options_are_einval_and_keep_nothing) {
    static const task_options init = TASK_OPTIONS_INIT;
    static const size_t sizes[] = {0,       1, sizeof(size_t) - 1, sizeof(task_options) + 1, sizeof(task_options) * 2,
                                   SIZE_MAX};
    static const size_t lengths[] = {(size_t)PTRDIFF_MAX / 2 + 1, (size_t)PTRDIFF_MAX, SIZE_MAX - 4096, SIZE_MAX};
    static const size_t huge[] = {(size_t)PTRDIFF_MAX / 2, (size_t)PTRDIFF_MAX / 4, (size_t)1 << 50};
    static const unsigned flags[] = {2, 4, 0x80000000u, TASK_LONG_RUNNING | 2, ~0u};
    task_options o;
    atomic_int ran = 0;
    for (size_t i = 0; i < COUNT(sizes) + COUNT(lengths) + COUNT(huge) + COUNT(flags) + 1; i++) {
        size_t k = i;
        void *arg = &ran;
        int expected = EINVAL;
        o = init;
        o.free_arg = forbidden_free;
        o.free_value = forbidden_free_value;
        if (k < COUNT(sizes))
            o.size = sizes[k];
        else if ((k -= COUNT(sizes)) < COUNT(lengths))
            o.arg_size = lengths[k];
        else if ((k -= COUNT(lengths)) < COUNT(huge))
            o.arg_size = huge[k], expected = ENOMEM;
        else if ((k -= COUNT(huge)) < COUNT(flags))
            o.flags = flags[k];
        else
            o.arg_size = 8, arg = NULL;
        errno = 0;
        ck_assert_ptr_null(task_run_with(&o, count_up, arg));
        ck_assert_msg(errno == expected, "case %zu: errno %d", i, errno);
    }
    ck_assert_int_eq(atomic_load(&callbacks), 0);
    ck_assert_int_eq(atomic_load(&ran), 0);
}
END_TEST

START_TEST(impossible_pool_options_are_einval_and_leave_the_output_alone) {
    static const task_pool_options init = TASK_POOL_OPTIONS_INIT;
    static const size_t sizes[] = {
        0, 1, sizeof(size_t) - 1, sizeof(task_pool_options) + 1, sizeof(task_pool_options) * 2, SIZE_MAX};
    static const size_t stacks[] = {1, 4096, 64 * 1024 - 1, ((size_t)1 << 30) + 1, SIZE_MAX / 2, SIZE_MAX};
    static const unsigned workers[] = {TASK_POOL_WORKERS_MAX + 1, 1u << 20, ~0u};
    static const unsigned flags[] = {1, 2, ~0u};
    task_pool *const marker = (task_pool *)&callbacks;
    unsigned before = threads_now();
    for (size_t i = 0; i < COUNT(sizes) + COUNT(stacks) + COUNT(workers) + COUNT(flags); i++) {
        size_t k = i;
        task_pool_options o = init;
        task_pool *pool = marker;
        if (k < COUNT(sizes))
            o.size = sizes[k];
        else if ((k -= COUNT(sizes)) < COUNT(stacks))
            o.stack_size = stacks[k];
        else if ((k -= COUNT(stacks)) < COUNT(workers))
            o.workers = workers[k];
        else
            o.flags = flags[k - COUNT(workers)];
        int code = task_pool_create(&pool, &o);
        ck_assert_msg(code == EINVAL, "case %zu: %d", i, code);
        ck_assert_ptr_eq(pool, marker);
    }
    ck_assert_uint_eq(threads_now(), before);
}
END_TEST

static int touch_stack(void *arg, task_value *result) {
    volatile char deep[24 * 1024];
    (void)arg;
    for (size_t i = 0; i < sizeof deep; i += 512)
        deep[i] = 1;
    result->i64 = deep[0];
    return 0;
}

START_TEST(smallest_and_largest_options_work) {
    static const size_t stacks[] = {64 * 1024, 64 * 1024 + 1, 100000, 1 << 20};
    for (size_t i = 0; i < COUNT(stacks); i++) {
        task_pool_options o = TASK_POOL_OPTIONS_INIT;
        task_pool *pool;
        if (UNDER_SANITIZER && stacks[i] < (1 << 20))
            continue;
        o.workers = 1;
        o.stack_size = stacks[i];
        ck_assert_int_eq(task_pool_create(&pool, &o), 0);
        ck_assert_int_eq(do_in(pool, touch_stack, NULL), 0);
        close_pool(pool);
    }
    task_pool *pool = pool_of(UNDER_SANITIZER ? 64 : TASK_POOL_WORKERS_MAX);
    task_pool_stats s = TASK_POOL_STATS_INIT;
    atomic_int ran = 0;
    task_pool_get_stats(pool, &s);
    ck_assert_uint_ge(s.workers, 1);
    for (unsigned i = 0; i < 2000; i++)
        task_release(run_in(pool, count_up, &ran));
    close_pool(pool);
    ck_assert_int_eq(atomic_load(&ran), 2000);
}
END_TEST

START_TEST(statistics_of_an_impossible_size_touch_nothing) {
    static const size_t sizes[] = {0, 1, SIZE_MAX};
    task_pool *pool = pool_of(1);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct {
            task_pool_stats s;
            unsigned char fence[64];
        } x;
        memset(&x, 0x5a, sizeof x);
        x.s.size = sizes[i];
        x.s.each = NULL;
        x.s.each_capacity = 0;
        task_pool_get_stats(pool, &x.s);
        for (size_t k = 0; k < sizeof x.fence; k++)
            ck_assert_int_eq(x.fence[k], 0x5a);
    }
    close_pool(pool);
}
END_TEST

START_TEST(absurd_counts_are_refused) {
    task *t = task_from_value(as_i64(1));
    task *in[2] = {t, NULL}; /* the hole ends every walk over it */
    static const size_t absurd[] = {SIZE_MAX,         SIZE_MAX / 2,      SIZE_MAX / 8,
                                    SIZE_MAX / 8 + 1, SIZE_MAX / 16 + 1, PTRDIFF_MAX};
    for (size_t i = 0; i < COUNT(absurd); i++) {
        errno = 0;
        ck_assert_ptr_null(when_all(in, absurd[i]));
        ck_assert(errno == EINVAL || errno == ENOMEM);
        errno = 0;
        ck_assert_ptr_null(when_any(in, absurd[i]));
        ck_assert(errno == EINVAL || errno == ENOMEM);
    }
    task_release(t);
}
END_TEST

/* ---- no memory ---- */

typedef struct creator {
    const char *name;
    /* 0, or the code; what it made goes to *made, to be released, or is undone at once. */
    int (*make)(task **made);
} creator;

static task_pool *starved_pool;
static atomic_int starved_ran, starved_freed;
static task *ready_task;
static vt_source starved_source;

static void count_freed(void *arg) {
    (void)arg;
    atomic_fetch_add(&starved_freed, 1);
}

static int count_ran(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    atomic_fetch_add(&starved_ran, 1);
    return 0;
}

static int made_or_errno(task *t, task **made) {
    *made = t;
    return t != NULL ? 0 : errno;
}

static int starved_run(size_t arg_size, unsigned flags, task **made) {
    static char bytes[5000];
    task_options o = TASK_OPTIONS_INIT;
    o.pool = starved_pool;
    o.arg_size = arg_size;
    o.flags = flags;
    o.free_arg = count_freed;
    return made_or_errno(task_run_with(&o, count_ran, bytes), made);
}

static int make_task(task **made) { return starved_run(0, 0, made); }
static int make_small(task **made) { return starved_run(16, 0, made); }
static int make_large(task **made) { return starved_run(5000, 0, made); }
static int make_long(task **made) { return starved_run(0, TASK_LONG_RUNNING, made); }
static int make_value(task **made) { return made_or_errno(task_from_value(as_i64(5)), made); }
static int make_error(task **made) { return made_or_errno(task_from_error(5), made); }
static int make_all(task **made) {
    task *in[40];
    for (unsigned i = 0; i < 40; i++)
        in[i] = ready_task;
    return made_or_errno(when_all(in, 40), made);
}
static int make_any(task **made) {
    task *in[40];
    for (unsigned i = 0; i < 40; i++)
        in[i] = ready_task;
    return made_or_errno(when_any(in, 40), made);
}
static int make_from_vt(task **made) {
    static vt v;
    int code;
    if (v.word == 0)
        v = vt_from_value(as_i64(5));
    code = made_or_errno(vt_as_task(&v), made);
    if (code == 0)
        memset(&v, 0, sizeof v); /* ENOMEM leaves it unspent: it is tried again */
    return code;
}
static int make_from_source(task **made) {
    static vt v;
    int code;
    if (v.word == 0)
        v = vt_from_source(&starved_source);
    must(!vt_is_completed(&v));
    code = made_or_errno(vt_as_task(&v), made);
    if (code == 0) {
        memset(&v, 0, sizeof v);
        must(vt_source_set_value(&starved_source, as_i64(5)) == 0);
        must(vt_source_reset(&starved_source) == 0);
    }
    return code; /* ENOMEM leaves it unspent: it is tried again */
}
static int each_zero(void *context, size_t index, task *done) {
    (void)index;
    (void)done;
    ++*(unsigned *)context;
    return 0;
}
static int make_each(task **made) {
    task *in[40];
    unsigned calls = 0;
    int code;
    for (unsigned i = 0; i < 40; i++)
        in[i] = ready_task;
    *made = NULL;
    code = when_each(in, 40, each_zero, &calls);
    must(calls == (code == 0 ? 40 : 0)); /* ENOMEM comes before the first call */
    return code;
}
static int make_pool(task **made) {
    task_pool_options o = TASK_POOL_OPTIONS_INIT;
    task_pool *pool = NULL;
    long left;
    int code;
    *made = NULL;
    o.workers = 2;
    code = task_pool_create(&pool, &o);
    must((code == 0) == (pool != NULL));
    left = allocations_left;
    allocations_left = -1;
    if (code == 0)
        close_pool(pool);
    allocations_left = left;
    return code;
}

static const creator creators[] = {
    {"task_run", make_task},
    {"copied", make_small},
    {"copied, large", make_large},
    {"long running", make_long},
    {"task_from_value", make_value},
    {"task_from_error", make_error},
    {"when_all", make_all},
    {"when_any", make_any},
    {"vt_as_task of a value", make_from_vt},
    {"vt_as_task of a source", make_from_source},
    {"when_each", make_each},
    {"task_pool_create", make_pool},
};

/* Fails the first, the second, ... allocation of each call, while blocks are being used up; then everything works again. */
static int starve_creator(void *arg, task_value *result) {
    enum { KEPT = 400 };
    const creator *c = arg;
    static task *kept[KEPT];
    unsigned n = 0, failures = 0;
    bool pools = c->make == make_pool || c->make == make_long;
    for (unsigned i = 0; i < (pools ? 4 : KEPT); i++) {
        int code = ENOMEM;
        for (long k = 0; code != 0; k++) {
            must(k < 200);
            allocations_left = k;
            code = c->make(&kept[n]);
            allocations_left = -1;
            if (code != 0)
                failures++;
            if (code != 0 && code != ENOMEM && !(pools && code == EAGAIN))
                ck_abort_msg("%s: %d", c->name, code);
        }
        if (kept[n] != NULL)
            n++;
    }
    /* nothing at all: it fails in the end, however much was in reserve */
    if (!pools && c->make != make_each) {
        static task *more[200000];
        unsigned m = 0;
        int code = 0;
        allocations_left = 0;
        while (code == 0 && m < COUNT(more)) {
            code = c->make(&more[m]);
            if (code == 0)
                m++;
        }
        allocations_left = -1;
        must(code == ENOMEM);
        failures++;
        must(c->make(&more[m]) == 0); /* the same call can be made again */
        m++;
        while (m > 0)
            task_release(more[--m]);
    }
    for (unsigned i = 0; i < n; i++)
        must(task_error(kept[i]) == EAGAIN || task_error(kept[i]) == 0 || task_error(kept[i]) == 5);
    while (n > 0) {
        n--;
        int code = task_join(kept[n], NULL);
        must(code == (c->make == make_error ? 5 : 0));
    }
    must(failures > 0 || c->make == make_each);
    result->i64 = (int64_t)failures;
    return 0;
}

START_TEST(every_creator_says_enomem_keeps_nothing_and_works_again) {
    const creator *c = &creators[_i / 2];
    task_value ignored;
    if (!CAN_STARVE)
        return;
    starved_pool = pool_of(1);
    ready_task = task_from_value(as_i64(1));
    vt_source_init(&starved_source);
    listen_to_reports();
    if (_i % 2)
        ck_assert_int_eq(do_in(starved_pool, starve_creator, (void *)(uintptr_t)c), 0);
    else
        ck_assert_int_eq(starve_creator((void *)(uintptr_t)c, &ignored), 0);
    close_pool(starved_pool);
    ck_assert_int_eq(task_join(ready_task, NULL), 0);
    ck_assert_int_eq(atomic_load(&starved_ran), atomic_load(&starved_freed)); /* never for a call that failed */
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

static int fib_of_children(void *arg, task_value *result) {
    vt_child c;
    int64_t n = *(int64_t *)arg, one = n - 1, two = n - 2;
    task_value l, r;
    if (n < 2) {
        result->i64 = n;
        return 0;
    }
    vt_fork(&c, fib_of_children, &one);
    must(fib_of_children(&two, &r) == 0);
    must(vt_join(&c, &l) == 0);
    result->i64 = l.i64 + r.i64;
    return 0;
}

static int starved_children(void *arg, task_value *result) {
    int code;
    allocations_left = 0; /* forks and joins must do without */
    code = fib_of_children(arg, result);
    allocations_left = -1;
    return code;
}

START_TEST(awaiting_completing_and_forking_need_no_memory) {
    task_pool *pool = pool_of(2);
    int64_t n = 18;
    task_value v;
    if (!CAN_STARVE) {
        close_pool(pool);
        return;
    }
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(task_join(run_in(pool, starved_children, &n), &v), 0);
        ck_assert_int_eq(v.i64, 2584);
    }
    for (unsigned i = 0; i < 1000; i++) {
        gate hold = GATE_INIT;
        task *t = run_in(pool, wait_at_gate, &hold);
        vt value_task = vt_from_task(task_retain(t));
        int first, second;
        allocations_left = 0;
        gate_open(&hold);
        first = task_await(t, NULL);
        second = vt_await(&value_task, &v);
        task_release(t);
        allocations_left = -1;
        must(first == 0 && second == 0 && v.i64 == 7);
    }
    allocations_left = 0;
    int code = task_pool_close(pool);
    allocations_left = -1;
    ck_assert_int_eq(code, 0);
}
END_TEST

/* ---- no address space, in a process of its own ---- */

static size_t address_space(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu", &pages) != 1)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit_to(int what, rlim_t soft) {
    struct rlimit r;
    child_must(getrlimit((__rlimit_resource_t)what, &r) == 0);
    r.rlim_cur = soft < r.rlim_max ? soft : r.rlim_max;
    child_must(setrlimit((__rlimit_resource_t)what, &r) == 0);
}

typedef struct ran_once {
    atomic_int ran, freed;
    task *t;
} ran_once;

static int run_once(void *arg, task_value *result) {
    ran_once *x = arg;
    atomic_fetch_add(&x->ran, 1);
    result->ptr = x;
    return 0;
}

static void free_once(void *arg) { atomic_fetch_add(&((ran_once *)arg)->freed, 1); }

static int child_no_memory(void) {
    enum { MOST = 2000000 };
    static ran_once all[MOST];
    task_pool_options po = TASK_POOL_OPTIONS_INIT;
    task_options o = TASK_OPTIONS_INIT;
    task_pool *pool;
    gate hold = GATE_INIT;
    task *blockers[2], *t;
    unsigned n = 0, refused = 0;
    task_value v;
    po.workers = 2;
    po.stack_size = 128 * 1024;
    child_must(task_pool_create(&pool, &po) == 0);
    for (unsigned i = 0; i < 2; i++) {
        blockers[i] = run_in(pool, wait_at_gate, &hold);
        child_must(blockers[i] != NULL);
    }
    gate_await(&hold, 2);
    limit_to(RLIMIT_AS, address_space() + (16u << 20));
    o.pool = pool;
    o.free_arg = free_once;
    while (n < MOST) {
        errno = 0;
        all[n].t = task_run_with(&o, run_once, &all[n]);
        if (all[n].t == NULL) {
            child_must(errno == ENOMEM);
            child_must(atomic_load(&all[n].freed) == 0);
            if (++refused == 100)
                break;
        } else {
            n++;
        }
    }
    child_must(refused == 100);
    child_must(n > 1000);
    errno = 0;
    while ((t = task_from_value(as_i64(1))) != NULL && refused++ < 100000) {
    }
    child_must(t == NULL && errno == ENOMEM);
    child_must(task_pool_create(&pool, &po) != 0);
    gate_open(&hold);
    for (unsigned i = 0; i < 2; i++)
        child_must(task_join(blockers[i], NULL) == 0);
    for (unsigned i = 0; i < n; i++) {
        child_must(task_join(all[i].t, &v) == 0);
        child_must(v.ptr == &all[i]);
        child_must(atomic_load(&all[i].ran) == 1);
        child_must(atomic_load(&all[i].freed) == 1);
    }
    /* what ended makes room: the same call can be made again */
    memset(&all[0], 0, sizeof all[0]);
    t = task_run_with(&o, run_once, &all[0]);
    child_must(t != NULL);
    child_must(task_join(t, NULL) == 0);
    limit_to(RLIMIT_AS, RLIM_INFINITY);
    child_must(task_join(task_run_with(&o, run_once, &all[0]), NULL) == 0);
    child_must(task_pool_close(pool) == 0);
    child_must(all[0].ran == 2 && all[0].freed == 2);
    return 0;
}

static int child_no_room_for_stacks(void) {
    task_pool_options po = TASK_POOL_OPTIONS_INIT;
    task_pool *pool = NULL;
    task_options o = TASK_OPTIONS_INIT;
    ran_once x = {0, 0, NULL};
    int code;
    limit_to(RLIMIT_AS, address_space() + (600u << 20));
    po.workers = 4;
    po.stack_size = (size_t)1 << 30;
    code = task_pool_create(&pool, &po);
    child_must(code == EAGAIN || code == ENOMEM);
    child_must(pool == NULL);
    po.stack_size = (size_t)200 << 20; /* two fit, perhaps: narrower, and whole */
    child_must(task_pool_create(&pool, &po) == 0);
    task_pool_stats s = TASK_POOL_STATS_INIT;
    task_pool_get_stats(pool, &s);
    child_must(s.workers >= 1 && s.workers < 4);
    o.pool = pool;
    o.free_arg = free_once;
    for (unsigned i = 0; i < 1000; i++)
        child_must(task_join(task_run_with(&o, run_once, &x), NULL) == 0);
    child_must(x.ran == 1000 && x.freed == 1000);
    child_must(task_pool_close(pool) == 0);
    return 0;
}

/* ---- no threads, in a process of its own that belongs to nobody else ---- */

static int without_threads(void) {
    if (geteuid() == 0) {
        uid_t nobody_else = (uid_t)(70000 + getpid() % 100000);
        if (setgid((gid_t)nobody_else) != 0 || setuid(nobody_else) != 0)
            return 77;
    }
    limit_to(RLIMIT_NPROC, 0);
    return 0;
}

static int child_no_threads(void) {
    task_pool *pool = NULL;
    task_options o = TASK_OPTIONS_INIT;
    ran_once x = {0, 0, NULL};
    int skip = without_threads();
    if (skip)
        return skip;
    for (unsigned i = 0; i < 3; i++) {
        child_must(task_pool_create(&pool, NULL) == EAGAIN);
        child_must(pool == NULL);
        errno = 0;
        child_must(task_pool_default() == NULL);
        child_must(errno == EAGAIN);
        errno = 0;
        o.free_arg = free_once;
        child_must(task_run_with(&o, run_once, &x) == NULL);
        child_must(errno == EAGAIN);
        errno = 0;
        child_must(task_run(run_once, &x) == NULL);
        child_must(errno == EAGAIN);
    }
    child_must(x.freed == 0 && x.ran == 0);
    child_must(threads_now() == 1);
    limit_to(RLIMIT_NPROC, RLIM_INFINITY);
    child_must(task_pool_default() != NULL);
    child_must(task_join(task_run_with(&o, run_once, &x), NULL) == 0);
    child_must(x.freed == 1 && x.ran == 1);
    return 0;
}

typedef struct lonely {
    task_pool *pool, *other;
    gate hold, ready;
    vt_source source;
    task *outside;
    int task_code, vt_code, yield_code, each_code, again;
    task_value v;
} lonely;

static int wait_without_spare(void *arg, task_value *result) {
    lonely *x = arg;
    vt v = vt_from_source(&x->source);
    unsigned calls = 0;
    task *queued;
    atomic_int ran = 0;
    (void)result;
    x->v = as_i64(-7);
    x->task_code = task_await(x->outside, &x->v);
    x->vt_code = vt_await(&v, &x->v);
    x->each_code = when_each(&x->outside, 1, each_zero, &calls);
    queued = task_run(count_up, &ran);
    child_must(queued != NULL);
    x->yield_code = task_yield();
    child_must(x->v.i64 == -7);
    gate_pass(&x->ready);
    x->again = vt_await(&v, &x->v);
    child_must(task_join(queued, NULL) == 0); /* inline: needs no thread */
    return 0;
}

static int child_no_spare(void) {
    static lonely x;
    task_options o = TASK_OPTIONS_INIT;
    ran_once once = {0, 0, NULL};
    struct rlimit before;
    task *t;
    int skip;
    gate_init(&x.hold);
    gate_init(&x.ready);
    vt_source_init(&x.source);
    child_must(getrlimit(RLIMIT_NPROC, &before) == 0);
    x.pool = pool_of(1);
    x.other = pool_of(1);
    x.outside = run_in(x.other, wait_at_gate, &x.hold);
    gate_await(&x.hold, 1);
    skip = without_threads();
    if (skip)
        return skip;
    t = run_in(x.pool, wait_without_spare, &x);
    gate_await(&x.ready, 1);
    child_must(x.task_code == EAGAIN);
    child_must(x.vt_code == EAGAIN);
    child_must(x.yield_code == EAGAIN);
    child_must(x.each_code == EAGAIN);
    o.pool = x.pool;
    o.flags = TASK_LONG_RUNNING;
    o.free_arg = free_once;
    errno = 0;
    child_must(task_run_with(&o, run_once, &once) == NULL);
    child_must(errno == EAGAIN);
    child_must(once.freed == 0 && once.ran == 0);
    child_must(vt_source_set_value(&x.source, as_i64(3)) == 0);
    gate_open(&x.ready);
    gate_open(&x.hold);
    child_must(task_join(t, NULL) == 0);
    child_must(x.again == 0 && x.v.i64 == 3); /* it was unspent */
    child_must(task_join(x.outside, NULL) == 0);
    limit_to(RLIMIT_NPROC, RLIM_INFINITY);
    child_must(task_join(task_run_with(&o, run_once, &once), NULL) == 0);
    child_must(once.freed == 1 && once.ran == 1);
    child_must(task_pool_close(x.pool) == 0);
    child_must(task_pool_close(x.other) == 0);
    return 0;
}

/* Threads run out while a pool is being made: it is narrower, and whole. */
static int child_few_threads(void) {
    int skip = without_threads();
    if (skip)
        return skip;
    if (geteuid() == 0)
        return 77;
    for (rlim_t room = 1; room < 12; room++) {
        task_pool_options po = TASK_POOL_OPTIONS_INIT;
        task_pool *pool = NULL;
        ran_once x = {0, 0, NULL};
        task_options o = TASK_OPTIONS_INIT;
        int code;
        limit_to(RLIMIT_NPROC, room);
        po.workers = 8;
        code = task_pool_create(&pool, &po);
        child_must(code == (room < 2 ? EAGAIN : 0) || code == 0);
        if (code != 0)
            continue;
        o.pool = pool;
        o.free_arg = free_once;
        for (unsigned i = 0; i < 500; i++) {
            task *t = task_run_with(&o, run_once, &x);
            child_must(t != NULL);
            if (i % 2)
                child_must(task_join(t, NULL) == 0);
            else
                task_release(t);
        }
        child_must(task_pool_close(pool) == 0);
        child_must(x.ran == 500 && x.freed == 500);
        for (unsigned i = 0; threads_now() > 1 && i < 10000; i++)
            breathe();
    }
    return 0;
}

static const char *const starving[] = {"no_memory", "no_room_for_stacks", "no_threads", "no_spare", "few_threads"};

START_TEST(process_without_memory_or_threads_gets_codes_and_loses_nothing) {
    static child_end end;
    if (UNDER_SANITIZER)
        return; /* their runtimes do not outlive such limits */
    run_child(starving[_i], NULL, &end);
    if (WIFEXITED(end.status) && WEXITSTATUS(end.status) == 77)
        return;
    assert_exits(&end, 0);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("bad input");
    TCase *c = case_in(s, "arguments");
    tcase_add_test(c, null_is_answered_everywhere);
    tcase_add_test(c, impossible_task_options_are_einval_and_keep_nothing);
    tcase_add_test(c, impossible_pool_options_are_einval_and_leave_the_output_alone);
    tcase_add_test(c, smallest_and_largest_options_work);
    tcase_add_test(c, statistics_of_an_impossible_size_touch_nothing);
    tcase_add_test(c, absurd_counts_are_refused);
    c = case_in(s, "exhaustion");
    tcase_add_loop_test(c, every_creator_says_enomem_keeps_nothing_and_works_again, 0, 2 * (int)COUNT(creators));
    tcase_add_test(c, awaiting_completing_and_forking_need_no_memory);
    tcase_add_loop_test(c, process_without_memory_or_threads_gets_codes_and_loses_nothing, 0, (int)COUNT(starving));
    return s;
}

int main(int argc, char **argv) {
    static const child_main children[] = {{"no_memory", child_no_memory},
                                          {"no_room_for_stacks", child_no_room_for_stacks},
                                          {"no_threads", child_no_threads},
                                          {"no_spare", child_no_spare},
                                          {"few_threads", child_few_threads}};
    return suite_main(argc, argv, make, children, COUNT(children));
}
