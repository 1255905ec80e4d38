/* How long a searcher and a thread outside pools look on before they sleep. */
#include <check.h>

#include "sched/patience.h"

enum { SHORT_NS = PATIENCE_SLEPT_NS - 1, LONG_NS = PATIENCE_SLEPT_NS };

START_TEST(short_sleeps_bring_patience_up_to_what_a_wake_up_costs) {
    uint32_t patience = 0, before;
    do {
        before = patience;
        patience = patience_after(patience, SHORT_NS);
        ck_assert_uint_ge(patience, before);
    } while (patience != before);
    ck_assert_uint_eq(patience, PATIENCE_MOST_NS);
}
END_TEST

START_TEST(a_few_long_waits_end_it) {
    uint32_t patience = PATIENCE_MOST_NS;
    uint64_t spent = 0;
    for (int waits = 0; patience > 0; waits++) {
        ck_assert_int_lt(waits, 8);
        spent += patience;
        patience = patience_after(patience, LONG_NS);
    }
    ck_assert_uint_lt(spent, 2 * PATIENCE_MOST_NS);
    ck_assert_uint_eq(patience_after(patience, LONG_NS), 0); /* what is idle stays so */
}
END_TEST

START_TEST(one_short_sleep_brings_it_back) { ck_assert_uint_eq(patience_after(0, SHORT_NS), PATIENCE_LEAST_NS); }
END_TEST

int main(void) {
    Suite *suite = suite_create("patience");
    TCase *c = tcase_create("patience");
    tcase_add_test(c, short_sleeps_bring_patience_up_to_what_a_wake_up_costs);
    tcase_add_test(c, a_few_long_waits_end_it);
    tcase_add_test(c, one_short_sleep_brings_it_back);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
