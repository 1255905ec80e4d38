/* test_typed.c: children with types of their own: VT_FUNCTION_n, VT_PROCEDURE_n, VT_FORK_n, VT_JOIN.
 *
 * [A] a forked function gives what the plain call gives, for 0 to 6 parameters, on every width and outside pools
 * [B] a procedure's work is done, once, when its join returns
 * [C] a forgotten child is joined where its scope ends, and reported with the line that forked it
 * [D] a second join is reported with both sites and yields zero, whoever ran the child and whatever was forked since
 * [E] a join by another task, on the same thread or not, is reported and yields zero; the owner's is undisturbed
 */
#include "api.h"

VT_FUNCTION_1(int64_t, fib, int64_t, n) {
    if (n < 2)
        return n;
    VT_FORK_1(fib, left, n - 1);
    int64_t right = fib(n - 2);
    return VT_JOIN(fib, left) + right;
}

VT_FUNCTION_0(int, none) { return 7; }
VT_FUNCTION_2(double, two, double, a, int, b) { return a + b; }
VT_FUNCTION_3(const char *, three, const char *, a, size_t, b, char, c) { return a[b] == c ? a + b : NULL; }
VT_FUNCTION_4(int64_t, four, int64_t, a, int64_t, b, int64_t, c, int64_t, d) { return a - b + c - d; }
VT_FUNCTION_5(int64_t, five, int64_t, a, int64_t, b, int64_t, c, int64_t, d, int64_t, e) { return a - b + c - d + e; }
VT_FUNCTION_6(task_value, six, int8_t, a, int16_t, b, int32_t, c, int64_t, d, float, e, double, f) {
    return (task_value){.f64 = (double)(a + b + c) + (double)d + (double)e + f};
}

static atomic_uint ran;
VT_PROCEDURE_0(count) { atomic_fetch_add(&ran, 1); }
VT_PROCEDURE_1(count_n, unsigned, n) { atomic_fetch_add(&ran, n); }
VT_PROCEDURE_2(sum2, int *, out, int, a) { *out = a; }
VT_PROCEDURE_3(sum3, int *, out, int, a, int, b) { *out = a + b; }
VT_PROCEDURE_4(sum4, int *, out, int, a, int, b, int, c) { *out = a + b + c; }
VT_PROCEDURE_5(sum5, int *, out, int, a, int, b, int, c, int, d) { *out = a + b + c + d; }
VT_PROCEDURE_6(sum6, int *, out, int, a, int, b, int, c, int, d, int, e) { *out = a + b + c + d + e; }

static void all_shapes(void) {
    static const char text[] = "vtask";
    int s[7] = {0};
    unsigned before = atomic_load(&ran);
    VT_FORK_0(none, f0);
    VT_FORK_1(fib, f1, 10);
    VT_FORK_2(two, f2, 0.5, 2);
    VT_FORK_3(three, f3, text, 2, 'a');
    VT_FORK_4(four, f4, 1, 2, 3, 4);
    VT_FORK_5(five, f5, 1, 2, 3, 4, 5);
    VT_FORK_6(six, f6, 1, 2, 3, 4, 0.25f, 0.5);
    VT_FORK_0(count, p0);
    VT_FORK_1(count_n, p1, 10);
    VT_FORK_2(sum2, p2, &s[2], 1);
    VT_FORK_3(sum3, p3, &s[3], 1, 2);
    VT_FORK_4(sum4, p4, &s[4], 1, 2, 3);
    VT_FORK_5(sum5, p5, &s[5], 1, 2, 3, 4);
    VT_FORK_6(sum6, p6, &s[6], 1, 2, 3, 4, 5);
    must(VT_JOIN(none, f0) == 7); /* the oldest first: the joins need not be in order */
    must(VT_JOIN(six, f6).f64 == 10.75);
    must(VT_JOIN(five, f5) == 3);
    must(VT_JOIN(fib, f1) == 55);
    must(VT_JOIN(two, f2) == 2.5);
    must(VT_JOIN(three, f3) == text + 2);
    must(VT_JOIN(four, f4) == -2);
    VT_JOIN(sum6, p6);
    VT_JOIN(sum2, p2);
    VT_JOIN(sum3, p3);
    VT_JOIN(sum4, p4);
    VT_JOIN(sum5, p5);
    VT_JOIN(count, p0);
    VT_JOIN(count_n, p1);
    must(s[2] == 1 && s[3] == 3 && s[4] == 6 && s[5] == 10 && s[6] == 15);
    must(atomic_load(&ran) == before + 11);
}

static int shapes_task(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    for (unsigned i = 0; i < scaled(200); i++)
        all_shapes();
    return 0;
}

START_TEST(children_of_every_shape_give_what_a_call_gives) {
    listen_to_reports();
    all_shapes(); /* outside pools */
    task_pool *pool = pool_of((unsigned)_i);
    atomic_store(&ran, 0);
    ck_assert_int_eq(do_in(pool, shapes_task, NULL), 0);
    ck_assert_uint_eq(atomic_load(&ran), 11 * scaled(200));
    close_pool(pool);
    ck_assert_uint_eq(reports_count(&heard), 0);
}
END_TEST

static int fib_task(void *arg, task_value *result) {
    result->i64 = fib(*(int64_t *)arg);
    return 0;
}

START_TEST(recursion_gives_the_right_sum_on_every_width) {
    int64_t n = UNDER_SANITIZER ? 16 : 24, sum = UNDER_SANITIZER ? 987 : 46368;
    task_pool *pool = pool_of((unsigned)_i);
    task_value v = {0};
    ck_assert_int_eq(task_join(run_in(pool, fib_task, &n), &v), 0);
    ck_assert_int_eq(v.i64, sum);
    ck_assert_int_eq(fib(10), 55); /* outside pools */
    close_pool(pool);
}
END_TEST

static char forked_at[64];

static int forget(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    for (int i = 0; i < 2; i++) {
        (void)snprintf(forked_at, sizeof forked_at, "test_typed.c:%d", __LINE__ + 1);
        VT_FORK_0(count, forgotten);
        if (i == 0)
            continue;
        VT_JOIN(count, forgotten);
    }
    return (int)atomic_load(&ran);
}

START_TEST(forgotten_child_is_joined_where_its_scope_ends_and_reported) {
    listen_to_reports();
    atomic_store(&ran, 0);
    if (_i == 0) {
        ck_assert_int_eq(forget(NULL, NULL), 2);
    } else {
        task_pool *pool = pool_of((unsigned)_i);
        ck_assert_int_eq(do_in(pool, forget, NULL), 2);
        close_pool(pool);
    }
    ck_assert_uint_eq(reports_count(&heard), 1);
    ck_assert_int_eq(heard.kept[0].code, EINVAL);
    ck_assert_msg(strstr(heard.kept[0].where, forked_at) != NULL, "%s, not %s", heard.kept[0].where, forked_at);
}
END_TEST

static int join_twice(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    VT_FORK_0(none, child);
    int first = VT_JOIN(none, child), second = VT_JOIN(none, child);
    VT_FORK_0(count, procedure);
    VT_JOIN(count, procedure);
    VT_JOIN(count, procedure);
    return first == 7 && second == 0 && atomic_load(&ran) == 1 ? 0 : 1;
}

START_TEST(second_join_is_reported_and_yields_zero) {
    listen_to_reports();
    atomic_store(&ran, 0);
    task_pool *pool = pool_of((unsigned)_i);
    ck_assert_int_eq(do_in(pool, join_twice, NULL), 0);
    close_pool(pool);
    ck_assert_uint_eq(reports_count(&heard), 2);
    ck_assert_int_eq(heard.kept[0].code, VT_E_REPEATED);
    ck_assert(strstr(heard.kept[0].where, "test_typed.c:") != NULL);
    ck_assert(strstr(heard.kept[0].first_where, "test_typed.c:") != NULL);
    ck_assert_int_eq(heard.kept[1].code, VT_E_REPEATED);
}
END_TEST

static int join_again_later(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    VT_FORK_0(none, child);
    int first = VT_JOIN(none, child);
    VT_FORK_1(fib, other, 10); /* in the same slot */
    int again = VT_JOIN(none, child);
    return first == 7 && again == 0 && VT_JOIN(fib, other) == 55 ? 0 : 1;
}

START_TEST(second_join_leaves_what_was_forked_since_alone) {
    listen_to_reports();
    task_pool *pool = pool_of((unsigned)_i);
    ck_assert_int_eq(do_in(pool, join_again_later, NULL), 0);
    close_pool(pool);
    ck_assert_uint_eq(reports_count(&heard), 1);
    ck_assert_int_eq(heard.kept[0].code, VT_E_REPEATED);
}
END_TEST

static gate stolen;
VT_FUNCTION_0(int, tell_that_it_runs) {
    gate_open(&stolen);
    return 7;
}

static int join_stolen_twice(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    VT_FORK_0(tell_that_it_runs, child);
    gate_pass(&stolen); /* a thief has it */
    int first = VT_JOIN(tell_that_it_runs, child), second = VT_JOIN(tell_that_it_runs, child);
    return first == 7 && second == 0 ? 0 : 1;
}

START_TEST(second_join_of_a_stolen_child_is_reported) {
    listen_to_reports();
    gate_init(&stolen);
    task_pool *pool = pool_of(2);
    ck_assert_int_eq(do_in(pool, join_stolen_twice, NULL), 0);
    close_pool(pool);
    ck_assert_uint_eq(reports_count(&heard), 1);
    ck_assert_int_eq(heard.kept[0].code, VT_E_REPEATED);
    ck_assert(strstr(heard.kept[0].first_where, "test_typed.c:") != NULL);
}
END_TEST

static int join_anothers(void *arg, task_value *result) {
    struct fib_vt *child = arg;
    result->i64 = VT_JOIN(fib, *child);
    return 0;
}

/* `arg`: the pool in which the other task runs; NULL: on this very worker. */
static int lend_a_child(void *arg, task_value *result) {
    task_value v = {.i64 = -1};
    (void)result;
    VT_FORK_1(fib, child, 10);
    task *other = arg != NULL ? run_in(arg, join_anothers, &child) : task_run(join_anothers, &child);
    int error = task_join(other, &v);
    return error == 0 && v.i64 == 0 && VT_JOIN(fib, child) == 55 ? 0 : 1;
}

START_TEST(join_by_another_task_is_reported_and_the_owner_undisturbed) {
    listen_to_reports();
    task_pool *pool = pool_of(1), *elsewhere = pool_of(1);
    ck_assert_int_eq(do_in(pool, lend_a_child, _i == 0 ? NULL : elsewhere), 0);
    close_pool(pool);
    close_pool(elsewhere);
    ck_assert_uint_eq(reports_count(&heard), 1);
    ck_assert_int_eq(heard.kept[0].code, VT_E_NOT_OWNER);
    ck_assert(strstr(heard.kept[0].first_where, "test_typed.c:") != NULL);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("typed");
    TCase *c = case_in(s, "typed children");
    tcase_add_loop_test(c, children_of_every_shape_give_what_a_call_gives, 1, 4);
    tcase_add_loop_test(c, recursion_gives_the_right_sum_on_every_width, 1, 4);
    tcase_add_loop_test(c, forgotten_child_is_joined_where_its_scope_ends_and_reported, 0, 4);
    tcase_add_loop_test(c, second_join_is_reported_and_yields_zero, 1, 4);
    tcase_add_loop_test(c, second_join_leaves_what_was_forked_since_alone, 1, 4);
    tcase_add_test(c, second_join_of_a_stolen_child_is_reported);
    tcase_add_loop_test(c, join_by_another_task_is_reported_and_the_owner_undisturbed, 0, 2);
    return s;
}

int main(int argc, char **argv) { return suite_main(argc, argv, make, NULL, 0); }
