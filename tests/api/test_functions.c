/* Every macro has a real function behind it, for pointers and other languages. */
#include <check.h>
#include <errno.h>
#include <vtask.h>

static int give(void *arg, task_value *result) {
    result->ptr = arg;
    return 0;
}

static int count(void *context, size_t index, task *done) {
    (void)index;
    ck_assert_int_eq(task_error(done), 0);
    ++*(int *)context;
    return 0;
}

START_TEST(every_macro_has_a_function_that_pointers_reach) {
    task *(*const run)(task_fn *, void *, const char *) = task_run_at;
    task *(*const run_with)(const task_options *, task_fn *, void *, const char *) = task_run_with_at;
    int (*const await)(task *, task_value *, const char *) = task_await_at;
    int (*const join)(task *, task_value *, const char *) = task_join_at;
    task *(*const from_value)(task_value, const char *) = task_from_value_at;
    task *(*const from_error)(int, const char *) = task_from_error_at;
    task *(*const all)(task *const *, size_t, const char *) = when_all_at;
    task *(*const any)(task *const *, size_t, const char *) = when_any_at;
    int (*const each)(task *const *, size_t, when_each_fn *, void *, const char *) = when_each_at;
    int here = 0, ended = 0;
    task_value v;
    task *tasks[] = {run(give, &here, "a.c:1"), run_with(NULL, give, &here, "a.c:2"),
                     from_value(v = (task_value){.ptr = &here}, NULL)};
    ck_assert_int_eq(await(tasks[0], &v, NULL), 0);
    ck_assert_ptr_eq(v.ptr, &here);
    ck_assert_int_eq(each(tasks, 3, count, &ended, NULL), 0);
    ck_assert_int_eq(ended, 3);
    ck_assert_int_eq(join(all(tasks, 3, NULL), NULL, NULL), 0);
    ck_assert_int_eq(join(any(tasks, 3, NULL), &v, NULL), 0);
    ck_assert_uint_lt(v.u64, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(join(tasks[i], &v, NULL), 0);
        ck_assert_ptr_eq(v.ptr, &here);
    }
    ck_assert_int_eq(join(from_error(7, NULL), NULL, NULL), 7);
    ck_assert_ptr_null(from_error(0, NULL));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(value_task_macros_have_functions_too) {
    int (*const await)(vt *, task_value *, const char *) = vt_await_at;
    int (*const await_now)(vt, task_value *, const char *) = vt_await_now_at;
    task *(*const as_task)(vt *, const char *) = vt_as_task_at;
    void (*const discard)(vt *, const char *) = vt_discard_at;
    void (*const init)(vt_source *, const char *) = vt_source_init_at;
    void (*const fork)(vt_child *, task_fn *, void *, const char *) = vt_fork_at;
    int (*const join)(vt_child *, task_value *, const char *) = vt_join_at;
    vt_source source;
    vt_child child;
    task_value v;
    init(&source, NULL);
    vt pending = vt_from_source(&source), ready = vt_from_value((task_value){.i64 = 3}), third = ready;
    discard(&pending, NULL);
    ck_assert_int_eq(await(&ready, &v, NULL), 0);
    ck_assert_int_eq(await_now(vt_from_error(9), &v, NULL), 9);
    ck_assert_int_eq(task_join(as_task(&third, NULL), &v), 0);
    ck_assert_int_eq(v.i64, 3);
    fork(&child, give, &source, NULL);
    ck_assert_int_eq(join(&child, &v, NULL), 0);
    ck_assert_ptr_eq(v.ptr, &source);
    ck_assert_int_eq(vt_source_fini(&source), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("functions");
    TCase *c = tcase_create("functions");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_macro_has_a_function_that_pointers_reach);
    tcase_add_test(c, value_task_macros_have_functions_too);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
