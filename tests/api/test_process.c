/* What holds for a whole process: VTASK_OPTIONS=checked, and the child of a fork(). */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vtask.h>

/* The sanitizers' run-time libraries do not follow a process that has threads into its child: ThreadSanitizer's makes no
 * threads there, AddressSanitizer's (gcc 12) waits for a lock of its allocator that another thread held. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(thread_sanitizer) || __has_feature(address_sanitizer))
#else
#define SANITIZED 0
#endif

static int reports;
static void count(const vt_misuse *report, void *context) {
    (void)report;
    (void)context;
    reports++;
}

static void check_everything(void) {
    ck_assert_int_eq(setenv("VTASK_OPTIONS", "checked", 1), 0);
    vt_on_misuse(count, NULL);
}

START_TEST(checked_finds_copies_of_ready_value_tasks) {
    check_everything();
    task_value seven = {.i64 = 7}, got;
    for (int failed = 0; failed < 2; failed++) {
        vt v = failed ? vt_from_error(11) : vt_from_value(seven), copy = v;
        int expected = failed ? 11 : 0;
        got.i64 = -1;
        ck_assert_int_eq(vt_await(&v, &got), expected);
        ck_assert_int_eq(got.i64, failed ? -1 : 7);
        got.i64 = -1;
        ck_assert_int_eq(vt_await(&copy, &got), VT_E_REPEATED);
        ck_assert_int_eq(got.i64, -1);
        ck_assert_int_eq(reports, failed + 1);
    }
}
END_TEST

START_TEST(checked_finds_a_stored_value_task_given_to_await_now) {
    check_everything();
    task_value got;
    vt v = vt_from_value((task_value){.i64 = 7});
    ck_assert_int_eq(vt_await_now(v, &got), 0);
    ck_assert_int_eq(vt_await(&v, &got), VT_E_REPEATED);
    vt w = vt_from_value((task_value){.i64 = 7});
    ck_assert_int_eq(vt_await(&w, &got), 0);
    ck_assert_int_eq(vt_await_now(w, &got), VT_E_REPEATED);
    ck_assert_int_eq(reports, 2);
}
END_TEST

START_TEST(checked_finds_a_copy_converted_or_discarded) {
    check_everything();
    vt v = vt_from_value((task_value){.i64 = 7}), copy = v, third = v;
    task *t = vt_as_task(&v);
    ck_assert_ptr_nonnull(t);
    ck_assert_ptr_null(vt_as_task(&copy));
    vt_discard(&third);
    ck_assert_int_eq(reports, 2);
    ck_assert_int_eq(task_join(t, NULL), 0);
}
END_TEST

/* --- fork() --- */

static int give_nine(void *arg, task_value *result) {
    (void)arg;
    result->i64 = 9;
    return 0;
}

static int wait_for(void *arg, task_value *result) { return vt_await(arg, result); }

/* Ends with a number that names what went wrong, 0: nothing. */
static int in_child(task_pool *pool, task *unended, task *ended) {
    task_options options = TASK_OPTIONS_INIT;
    task_value v;
    options.pool = pool;
    if (task_run_with(&options, give_nine, NULL) != NULL) {
        return 1;
    }
    if (task_pool_close(pool) != VTASK_E_FORKED) {
        return 2;
    }
    if (task_await(unended, &v) != VTASK_E_FORKED) {
        return 3;
    }
    if (task_await(ended, &v) != 0 || v.i64 != 9) {
        return 4;
    }
    if (task_join(task_run(give_nine, NULL), &v) != 0 || v.i64 != 9) {
        return 5; /* the default pool is made anew */
    }
    task *all = when_all((task *[]){unended, ended}, 2);
    return task_await(all, NULL) == VTASK_E_FORKED ? 0 : 6;
}

START_TEST(child_of_a_fork_gets_codes_and_makes_pools_of_its_own) {
    task_pool *pool;
    vt_source gate;
    int status = -1;
    task_options options = TASK_OPTIONS_INIT;
    ck_assert_int_eq(task_pool_create(&pool, NULL), 0);
    options.pool = pool;
    vt_source_init(&gate);
    vt wait = vt_from_source(&gate);
    task *unended = task_run_with(&options, wait_for, &wait), *ended = task_run_with(&options, give_nine, NULL);
    ck_assert_int_eq(task_await(ended, NULL), 0);
    ck_assert_int_eq(task_await(task_run(give_nine, NULL), NULL), 0); /* the default pool exists, too */
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        _exit(in_child(pool, unended, ended));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(vt_source_set_value(&gate, (task_value){.i64 = 1}), 0);
    ck_assert_int_eq(task_join(unended, NULL), 0);
    ck_assert_int_eq(task_join(ended, NULL), 0);
    ck_assert_int_eq(task_pool_close(pool), 0);
}
END_TEST

static int *shared; /* by both processes: what ran in the child */
static pid_t parent;

static int tell_where(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    *shared += getpid() != parent;
    return 0;
}

/* Returns in both processes. */
static int fork_and_return(void *arg, task_value *result) {
    int status = -1;
    (void)arg;
    (void)result;
    for (int i = 0; i < 3; i++) {
        task_release(task_run(tell_where, NULL));
    }
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        return 0;
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

START_TEST(child_of_a_fork_that_returns_from_its_task_runs_nothing_else_and_ends) {
    task_pool *pool;
    task_pool_options one = TASK_POOL_OPTIONS_INIT;
    task_options options = TASK_OPTIONS_INIT;
    one.workers = 1;
    parent = getpid();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(shared != MAP_FAILED);
    ck_assert_int_eq(task_pool_create(&pool, &one), 0);
    options.pool = pool;
    options.flags = _i == 0 ? 0 : TASK_LONG_RUNNING;
    ck_assert_int_eq(task_join(task_run_with(&options, fork_and_return, NULL), NULL), 0);
    ck_assert_int_eq(task_pool_close(pool), 0);
    ck_assert_int_eq(*shared, 0);
}
END_TEST

/* --- a thread of the pool's that ends is in no pool --- */

static pthread_key_t key;
static task *late;
static unsigned late_flags;
static task_pool *late_current;

static void at_thread_exit(void *value) {
    task_options options = TASK_OPTIONS_INIT;
    (void)value;
    late_current = task_pool_current();
    options.flags = late_flags;
    late = task_run_with(&options, give_nine, NULL);
}

static int set_key(void *arg, task_value *result) {
    (void)result;
    return pthread_setspecific(key, arg);
}

START_TEST(task_of_a_thread_specific_destructor_goes_to_the_default_pool) {
    task_pool *pool;
    task_pool_options one = TASK_POOL_OPTIONS_INIT;
    task_options options = TASK_OPTIONS_INIT;
    task_value v;
    one.workers = 1;
    late_flags = _i % 2 == 0 ? 0 : TASK_LONG_RUNNING;
    ck_assert_int_eq(pthread_key_create(&key, at_thread_exit), 0);
    ck_assert_int_eq(task_pool_create(&pool, &one), 0);
    options.pool = pool;
    options.flags = _i < 2 ? 0 : TASK_LONG_RUNNING; /* of a worker, of a thread of a task's own */
    ck_assert_int_eq(task_join(task_run_with(&options, set_key, &key), NULL), 0);
    ck_assert_int_eq(task_pool_close(pool), 0); /* joins the thread */
    ck_assert_ptr_nonnull(late);
    ck_assert_ptr_null(late_current);
    ck_assert_int_eq(task_join(late, &v), 0);
    ck_assert_int_eq(v.i64, 9);
}
END_TEST

static void note_first_thread(const vt_misuse *report, void *context) { *(uint64_t *)context = report->first_thread; }

/* The thread id that a report names as the first's. */
static uint64_t first_thread_of_a_report(void) {
    uint64_t named = 0;
    vt v = vt_from_value((task_value){.i64 = 1});
    vt_on_misuse(note_first_thread, &named);
    return vt_await(&v, NULL) == 0 && vt_await(&v, NULL) == VT_E_REPEATED ? named : 0;
}

START_TEST(report_in_the_child_of_a_fork_names_its_own_thread) {
    int status = -1;
    ck_assert_uint_eq(first_thread_of_a_report(), (uint64_t)syscall(SYS_gettid));
    pid_t child = fork();
    if (child == 0) {
        _exit(first_thread_of_a_report() == (uint64_t)syscall(SYS_gettid) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* What comes back to a task after a fork() below it, in the child: no task runs there, and no child is joined. */
static int forked_below;

static int fork_below(void *arg, task_value *result) {
    int status = -1;
    (void)arg;
    (void)result;
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        forked_below = 1;
        return 0;
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

/* `arg`: how the fork() comes: 0: here; 1: in an awaited task; 2: in a child that is joined out of order. */
static int join_after_fork(void *arg, task_value *result) {
    intptr_t how = (intptr_t)arg;
    vt_child kept, forks, newest;
    int error = 0;
    vt_fork(&kept, give_nine, NULL);
    if (how == 2) {
        vt_fork(&forks, fork_below, NULL);
        vt_fork(&newest, give_nine, NULL);
        error = vt_join(&forks, NULL);
        error = error == 0 && !forked_below ? vt_join(&newest, NULL) : error;
    } else {
        error = how == 0 ? fork_below(NULL, result) : task_join(task_run(fork_below, NULL), NULL);
    }
    int joined = vt_join(&kept, NULL);
    if (forked_below) {
        _exit(error == 0 && joined == VTASK_E_FORKED && task_current() == NULL && reports == 0 ? 0 : 1);
    }
    return error != 0 ? error : joined;
}

START_TEST(child_of_a_fork_below_a_task_joins_nothing_and_reports_nothing) {
    task_pool *pool;
    task_pool_options one = TASK_POOL_OPTIONS_INIT;
    task_options options = TASK_OPTIONS_INIT;
    one.workers = 1;
    vt_on_misuse(count, NULL);
    ck_assert_int_eq(task_pool_create(&pool, &one), 0);
    options.pool = pool;
    options.flags = _i < 3 ? 0 : TASK_LONG_RUNNING;
    ck_assert_int_eq(task_join(task_run_with(&options, join_after_fork, (void *)(intptr_t)(_i % 3)), NULL), 0);
    ck_assert_int_eq(task_pool_close(pool), 0);
    ck_assert_int_eq(reports, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("process");
    TCase *c = tcase_create("process");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, checked_finds_copies_of_ready_value_tasks);
    tcase_add_test(c, checked_finds_a_stored_value_task_given_to_await_now);
    tcase_add_test(c, checked_finds_a_copy_converted_or_discarded);
    tcase_add_test(c, report_in_the_child_of_a_fork_names_its_own_thread);
    if (!SANITIZED) {
        tcase_add_test(c, child_of_a_fork_gets_codes_and_makes_pools_of_its_own);
        tcase_add_loop_test(c, child_of_a_fork_below_a_task_joins_nothing_and_reports_nothing, 0, 6);
        tcase_add_loop_test(c, child_of_a_fork_that_returns_from_its_task_runs_nothing_else_and_ends, 0, 2);
    }
    tcase_add_loop_test(c, task_of_a_thread_specific_destructor_goes_to_the_default_pool, 0, 4);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
