/* test_private.c: the private end, with membarrier and without.
 *
 * [A] the children of an owner who never calls the library again are run by others, all of them
 * [B] so they are where membarrier does not exist, is forbidden, and is forbidden while the pool runs
 * [D] an await of a task that another worker keeps private gets at it, touches no third worker's, and where no thread is to
 *     be had leaves nobody waiting for ever
 * [C] every child runs once and gives its value to its join, in whatever order, however many, with and without memory
 */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vtask.h>

#include "base/alloc.h"
#include "base/sanitizer.h"
#include "os/membarrier.h"
#include "sched/private.h"

#if defined(VTI_ASAN) || defined(VTI_TSAN)
#define SCALED(n) ((n) / 10)
#else
#define SCALED(n) (n)
#endif

#define must(condition) ck_assert_msg(condition, "%s", #condition)

/* From here on the kernel refuses these two calls to every thread of this process. */
static void refuse_calls(unsigned one, unsigned other, unsigned error) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, one, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, other, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0);
}

static void forbid(void) { refuse_calls(SYS_membarrier, SYS_membarrier, EPERM); }
static void forbid_threads(void) { refuse_calls(SYS_clone, SYS_clone3, EAGAIN); }

/* AddressSanitizer looks for leaks from a process of its own. */
#ifdef VTI_ASAN
#define CAN_FORBID_THREADS 0
#else
#define CAN_FORBID_THREADS 1
#endif

static void nothing(void) {}

static const struct {
    void (*before)(void), (*after)(void); /* the pool is made */
    bool works;
} modes[] = {
    {nothing, nothing, true},                /* as the kernel has it */
    {vti_membarrier_refuse, nothing, false}, /* an old kernel */
    {forbid, nothing, false},
    {nothing, vti_membarrier_refuse, false},
    {nothing, forbid, false},
};
enum { MODES = sizeof modes / sizeof *modes };

static task_pool *make_pool(int mode, unsigned workers) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    task_pool *pool = NULL;
    options.workers = workers;
    modes[mode].before();
    ck_assert_int_eq(task_pool_create(&pool, &options), 0);
    modes[mode].after();
    return pool;
}

static int run_in(task_pool *pool, task_fn *fn, void *arg) {
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    return task_join(task_run_with(&options, fn, arg), NULL);
}

/* --- [A] --- */

static atomic_u32 a_ran;

static int mark(void *arg, task_value *result) {
    result->i64 = (int64_t)(intptr_t)arg;
    (void)add_acqrel(&a_ran, 1u);
    return 0;
}

enum { SILENT_MOST = 100 };

static int silent_owner(void *arg, task_value *result) {
    intptr_t n = (intptr_t)arg;
    vt_child children[SILENT_MOST];
    int64_t sum = 0;
    (void)result;
    store_rlx(&a_ran, 0u);
    for (intptr_t i = 0; i < n; i++) {
        vt_fork(&children[i], mark, (void *)i);
    }
    while (load_acq(&a_ran) < (uint32_t)n) { /* and not a word to the library */
    }
    for (intptr_t i = n; i-- > 0;) {
        task_value value = {.i64 = -1};
        must(vt_join(&children[i], &value) == 0);
        sum += value.i64;
    }
    return sum == n * (n - 1) / 2 ? 0 : EINVAL;
}

/* What was forbidden later is found out by the first who needs it, and the owner's next call mends it. */
static int try_the_barrier(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    (void)vti_membarrier_all();
    return 0;
}

START_TEST(children_of_a_silent_owner_are_run_by_others) {
    task_pool *pool = make_pool(_i, 2);
    must(run_in(pool, try_the_barrier, NULL) == 0);
    must(membarrier_works() == modes[_i].works);
    for (intptr_t i = 0; i < SCALED(200); i++) {
        must(run_in(pool, silent_owner, (void *)(1 + i % SILENT_MOST)) == 0);
    }
    ck_assert_int_eq(task_pool_close(pool), 0);
}
END_TEST

/* --- [B] [C] --- */

static int fib(void *arg, task_value *result) {
    intptr_t n = (intptr_t)arg;
    vt_child left;
    task_value l, r;
    if (n < 2) {
        result->i64 = n;
        return 0;
    }
    vt_fork(&left, fib, (void *)(n - 1));
    must(fib((void *)(n - 2), &r) == 0);
    must(vt_join(&left, &l) == 0);
    result->i64 = l.i64 + r.i64;
    return 0;
}

static int fibs(void *arg, task_value *result) {
    (void)result;
    for (int i = 0; i < SCALED(50); i++) {
        task_value sum;
        if (arg != NULL && i == SCALED(20)) {
            ((void (*const *)(void))arg)[0](); /* in the middle */
        }
        must(fib((void *)15, &sum) == 0);
        must(sum.i64 == 610);
    }
    return 0;
}

START_TEST(recursion_is_right_with_membarrier_and_without) {
    for (unsigned workers = 1; workers < 5; workers++) {
        task_pool *pool = make_pool(_i, workers);
        must(run_in(pool, fibs, NULL) == 0);
        ck_assert_int_eq(task_pool_close(pool), 0);
    }
}
END_TEST

START_TEST(membarrier_forbidden_in_the_middle_loses_nothing) {
    static void (*const ways[])(void) = {vti_membarrier_refuse, forbid};
    task_pool *pool = make_pool(0, 3);
    must(run_in(pool, fibs, (void *)&ways[_i]) == 0);
    ck_assert_int_eq(task_pool_close(pool), 0);
    must(vti_membarrier_all() == false);
}
END_TEST

/* More children than the private end has room for, joined in an order. */
enum { MANY = PRIVATE_SLOTS + PRIVATE_SLOTS / 4 + 7, ORDERS = 4 };

static unsigned place(int order, unsigned i) {
    switch (order) {
    case 0: /* newest first */
        return MANY - 1 - i;
    case 1: /* oldest first */
        return i;
    case 2: /* the odd ones, then the even ones */
        return i < MANY / 2 ? 2 * i + 1 : 2 * (i - MANY / 2);
    default: /* all over */
        return (unsigned)((uint64_t)i * 1009 % MANY);
    }
}

struct many {
    vt_child children[MANY];
    int order;
    bool no_memory;
};

static int fork_many(void *arg, task_value *result) {
    struct many *m = arg;
    unsigned wrong = 0;
    (void)result;
    store_rlx(&a_ran, 0u);
    if (m->no_memory) {
        vti_alloc_fail_after(0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        vt_fork(&m->children[i], mark, (void *)(intptr_t)i);
    }
    for (unsigned i = 0; i < MANY; i++) {
        unsigned at = place(m->order, i);
        task_value value = {.i64 = -1};
        wrong += vt_join(&m->children[at], &value) != 0 || value.i64 != at;
    }
    vti_alloc_fail_after(UINT32_MAX);
    must(wrong == 0); /* a check of each would be written to a file */
    return load_acq(&a_ran) == MANY ? 0 : EINVAL;
}

START_TEST(children_beyond_the_private_end_run_once_in_every_order) {
    static struct many m;
    task_pool *pool = make_pool(_i / ORDERS % 2, 1 + (unsigned)_i % 3);
    m.order = _i % ORDERS;
    m.no_memory = _i / ORDERS > 1;
    must(run_in(pool, fork_many, &m) == 0);
    must(run_in(pool, silent_owner, (void *)0) == 0);
    must(run_in(pool, fibs, NULL) == 0);
    ck_assert_int_eq(task_pool_close(pool), 0);
}
END_TEST

/* --- [D] --- */

static atomic_u32 a_stage;
static ATOMIC_POINTER(task) a_kept;
static vt_source told;
static vt wait_for_told;

static void wait_for_stage(uint32_t stage) {
    while (load_acq(&a_stage) < stage) {
    }
}

static int do_nothing(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    return 0;
}

static int wait_until_told(void *arg, task_value *result) {
    int error;
    (void)arg;
    store_rel(&a_stage, 2u);
    while ((error = vt_await(&wait_for_told, result)) == EAGAIN) { /* no thread to take this one's place */
    }
    return error;
}

/* Keeps a child and, behind it, a task; joins the child when the task runs, and tells the task then. */
static int keep_both(void *arg, task_value *result) {
    vt_child child;
    (void)arg;
    wait_for_stage(1); /* the other worker is at work: nobody asks */
    for (int i = 0; i < 3; i++) {
        vt_fork(&child, do_nothing, NULL);
        must(vt_join(&child, NULL) == 0);
    }
    vt_fork(&child, do_nothing, NULL);
    store_rel(&a_kept, task_run(wait_until_told, NULL));
    wait_for_stage(2);
    int error = vt_join(&child, result);
    must(vt_source_set_value(&told, (task_value){.u64 = 0}) == 0);
    return error;
}

static int await_kept(void *arg, task_value *result) {
    task *kept;
    (void)arg;
    store_rel(&a_stage, 1u);
    while ((kept = load_acq(&a_kept)) == NULL) {
    }
    return task_join(kept, result);
}

START_TEST(what_lies_before_an_awaited_task_is_joined_though_it_was_moved) {
    task_options options = TASK_OPTIONS_INIT;
    task_pool *pool = make_pool(0, 2);
    options.pool = pool;
    vt_source_init(&told);
    wait_for_told = vt_from_source(&told);
    if (_i == 1) {
        forbid_threads();
    }
    task *keeper = task_run_with(&options, keep_both, NULL), *awaiter = task_run_with(&options, await_kept, NULL);
    ck_assert_int_eq(task_join(keeper, NULL), 0);
    ck_assert_int_eq(task_join(awaiter, NULL), 0);
    ck_assert_int_eq(task_pool_close(pool), 0);
}
END_TEST

enum { THIRDS = 50 };
static atomic_u32 a_elsewhere;

static int tell_whose(void *arg, task_value *result) {
    (void)result;
    (void)add_acqrel(&a_elsewhere, pthread_equal(*(pthread_t *)arg, pthread_self()) ? 0u : 1u);
    return 0;
}

/* Has children of its own, and nothing to do with the others. */
static int third(void *arg, task_value *result) {
    vt_child children[THIRDS];
    pthread_t self = pthread_self();
    (void)arg;
    (void)result;
    wait_for_stage(2); /* all three workers are at work */
    for (int i = 0; i < THIRDS; i++) {
        vt_fork(&children[i], tell_whose, &self);
    }
    store_rel(&a_stage, 3u);
    wait_for_stage(4);
    for (int i = THIRDS; i-- > 0;) {
        must(vt_join(&children[i], NULL) == 0);
    }
    store_rel(&a_stage, 5u);
    return 0;
}

static int keep_one(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    wait_for_stage(1);
    store_rel(&a_stage, 2u);
    wait_for_stage(3);
    store_rel(&a_kept, task_run(do_nothing, NULL));
    wait_for_stage(5);
    return 0;
}

static int await_one(void *arg, task_value *result) {
    int error = await_kept(arg, result);
    store_rel(&a_stage, 4u);
    wait_for_stage(5);
    return error;
}

START_TEST(an_await_moves_nothing_of_a_third_worker) {
    static task_fn *const roles[] = {third, keep_one, await_one};
    task *tasks[3];
    task_options options = TASK_OPTIONS_INIT;
    task_pool *pool = make_pool(0, 3);
    options.pool = pool;
    for (int i = 0; i < 3; i++) {
        tasks[i] = task_run_with(&options, roles[i], NULL);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(task_join(tasks[i], NULL), 0);
    }
    ck_assert_uint_eq(load_acq(&a_elsewhere), 0);
    ck_assert_int_eq(task_pool_close(pool), 0);
}
END_TEST

static task *beside[MANY];

/* Tasks are made while the private end fills up, is full, and overflows. */
static int fork_and_run_many(void *arg, task_value *result) {
    struct many *m = arg;
    unsigned wrong = 0;
    (void)result;
    store_rel(&a_ran, 0u);
    for (unsigned i = 0; i < MANY; i++) {
        vt_fork(&m->children[i], mark, (void *)(intptr_t)i);
        beside[i] = i % 3 == 0 ? task_run(mark, (void *)(intptr_t)i) : NULL;
        wrong += (beside[i] != NULL) != (i % 3 == 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        unsigned at = place(m->order, i);
        task_value value = {.i64 = -1}, of_task = {.i64 = -1};
        wrong += vt_join(&m->children[at], &value) != 0 || value.i64 != at;
        wrong += beside[at] != NULL && (task_join(beside[at], &of_task) != 0 || of_task.i64 != at);
    }
    must(wrong == 0);
    return load_acq(&a_ran) == MANY + (MANY + 2) / 3 ? 0 : EINVAL;
}

START_TEST(tasks_beside_children_beyond_the_private_end_run_once_in_every_order) {
    static struct many m;
    task_pool *pool = make_pool(_i / ORDERS % 2, 1 + (unsigned)_i % 3);
    m.order = _i % ORDERS;
    must(run_in(pool, fork_and_run_many, &m) == 0);
    must(run_in(pool, fibs, NULL) == 0);
    ck_assert_int_eq(task_pool_close(pool), 0);
}
END_TEST

int main(void) {
    Suite *s = suite_create("private end");
    TCase *c = tcase_create("private end");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, children_of_a_silent_owner_are_run_by_others, 0, MODES);
    tcase_add_loop_test(c, recursion_is_right_with_membarrier_and_without, 0, MODES);
    tcase_add_loop_test(c, membarrier_forbidden_in_the_middle_loses_nothing, 0, 2);
    tcase_add_loop_test(c, children_beyond_the_private_end_run_once_in_every_order, 0, 4 * ORDERS);
    tcase_add_loop_test(c, what_lies_before_an_awaited_task_is_joined_though_it_was_moved, 0, CAN_FORBID_THREADS + 1);
    tcase_add_test(c, an_await_moves_nothing_of_a_third_worker);
    tcase_add_loop_test(c, tasks_beside_children_beyond_the_private_end_run_once_in_every_order, 0, 2 * ORDERS);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
