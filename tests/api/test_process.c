/* What holds for a whole process: VTASK_OPTIONS=checked, and the child of a fork(). */
#define _GNU_SOURCE
#include <check.h>
#include <stdlib.h>
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
    }
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
