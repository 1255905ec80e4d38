/* test_private.c: the private end, with membarrier and without.
 *
 * [A] the children of an owner who never calls the library again are run by others, all of them
 * [B] so they are where membarrier does not exist, is forbidden, and is forbidden while the pool runs
 * [C] every child runs once and gives its value to its join, in whatever order, however many, with and without memory
 */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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

/* From here on the kernel refuses membarrier to every thread of this process. */
static void forbid(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0);
}

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
enum { MANY = 3 * PRIVATE_SLOTS + 7, ORDERS = 4 };

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
        must(vt_join(&m->children[at], &value) == 0);
        must(value.i64 == at);
    }
    vti_alloc_fail_after(UINT32_MAX);
    return load_acq(&a_ran) == MANY ? 0 : EINVAL;
}

START_TEST(children_beyond_the_private_end_run_once_in_every_order) {
    static struct many m;
    for (unsigned workers = 1; workers < 4; workers++) {
        task_pool *pool = make_pool(_i / ORDERS % 2, workers);
        m.order = _i % ORDERS;
        m.no_memory = _i / ORDERS > 1;
        must(run_in(pool, fork_many, &m) == 0);
        must(run_in(pool, silent_owner, (void *)0) == 0);
        must(run_in(pool, fibs, NULL) == 0);
        ck_assert_int_eq(task_pool_close(pool), 0);
    }
}
END_TEST

static task *beside[MANY];

/* Tasks are made while the private end fills up, is full, and overflows. */
static int fork_and_run_many(void *arg, task_value *result) {
    struct many *m = arg;
    (void)result;
    store_rel(&a_ran, 0u);
    for (unsigned i = 0; i < MANY; i++) {
        vt_fork(&m->children[i], mark, (void *)(intptr_t)i);
        beside[i] = i % 3 == 0 ? task_run(mark, (void *)(intptr_t)i) : NULL;
        must((beside[i] != NULL) == (i % 3 == 0));
    }
    for (unsigned i = 0; i < MANY; i++) {
        unsigned at = place(m->order, i);
        task_value value = {.i64 = -1}, of_task = {.i64 = -1};
        must(vt_join(&m->children[at], &value) == 0);
        must(value.i64 == at);
        must(beside[at] == NULL || (task_join(beside[at], &of_task) == 0 && of_task.i64 == at));
    }
    return load_acq(&a_ran) == MANY + (MANY + 2) / 3 ? 0 : EINVAL;
}

START_TEST(tasks_beside_children_beyond_the_private_end_run_once_in_every_order) {
    static struct many m;
    for (unsigned workers = 1; workers < 4; workers++) {
        task_pool *pool = make_pool(_i / ORDERS % 2, workers);
        m.order = _i % ORDERS;
        must(run_in(pool, fork_and_run_many, &m) == 0);
        must(run_in(pool, fibs, NULL) == 0);
        ck_assert_int_eq(task_pool_close(pool), 0);
    }
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
    tcase_add_loop_test(c, tasks_beside_children_beyond_the_private_end_run_once_in_every_order, 0, 2 * ORDERS);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
