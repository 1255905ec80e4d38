/* The words that decide (task/claim.h, task/word.h), the options, the errors' texts, and what stands on a stack's depth. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <vtask.h>

#include "base/options.h"
#include "task/checked.h"
#include "task/claim.h"
#include "task/word.h"

START_TEST(thirty_two_tickets_are_out_at_a_time_and_each_is_taken_once) {
    atomic_u64 word = 0;
    atomic_u32 hint = (uint32_t)_i;
    claim_ticket tickets[32], one_more;
    for (int i = 0; i < 32; i++) {
        ck_assert_int_eq(claim_issue(&word, &hint, &tickets[i]), CLAIM_TAKEN);
    }
    ck_assert_int_eq(claim_issue(&word, &hint, &one_more), CLAIM_NONE);
    for (int i = 0; i < 32; i++) {
        ck_assert_int_eq(claim_take(&word, tickets[i], CLAIM_AWAITING_ONE), CLAIM_TAKEN);
        ck_assert_int_eq(claim_take(&word, tickets[i], CLAIM_AWAITING_ONE), CLAIM_BUSY);
        ck_assert(!claim_reset_begin(&word));
        claim_end(&word);
        ck_assert_int_eq(claim_take(&word, tickets[i], CLAIM_AWAITING_ONE), CLAIM_SPENT);
    }
    ck_assert(claim_reset_begin(&word));
    ck_assert_int_eq(claim_issue(&word, &hint, &one_more), CLAIM_NONE);
    claim_reset_end(&word);
    ck_assert_int_eq(claim_take(&word, tickets[0], 0), CLAIM_GENERATION);
}
END_TEST

START_TEST(tickets_and_awaits_are_62_together) {
    for (unsigned awaits = 0; awaits <= CLAIM_MOST; awaits++) {
        atomic_u64 word = awaits * CLAIM_AWAITING_ONE;
        atomic_u32 hint = awaits;
        claim_ticket ticket;
        unsigned issued = 0;
        while (claim_issue(&word, &hint, &ticket) == CLAIM_TAKEN) {
            issued++;
        }
        ck_assert_uint_eq(issued, awaits <= CLAIM_MOST - 32 ? 32 : CLAIM_MOST - awaits);
        ck_assert_uint_eq(claim_awaiting(word), awaits * CLAIM_AWAITING_ONE);
    }
}
END_TEST

START_TEST(a_spent_ticket_is_no_later_one) {
    atomic_u64 word = 0;
    atomic_u32 hint = 0;
    claim_ticket first, later;
    ck_assert_int_eq(claim_issue(&word, &hint, &first), CLAIM_TAKEN);
    ck_assert_int_eq(claim_take(&word, first, 0), CLAIM_TAKEN);
    for (int i = 0; i < 100000; i++) {
        ck_assert_int_eq(claim_issue(&word, &hint, &later), CLAIM_TAKEN);
        ck_assert_int_ne(claim_take(&word, first, 0), CLAIM_TAKEN);
        ck_assert_int_eq(claim_take(&word, later, 0), CLAIM_TAKEN);
    }
}
END_TEST

START_TEST(a_failed_wait_gives_a_ticket_again) {
    atomic_u64 word = 0;
    atomic_u32 hint = 0;
    claim_ticket ticket, stale;
    ck_assert_int_eq(claim_issue(&word, &hint, &ticket), CLAIM_TAKEN);
    stale = ticket;
    ck_assert_int_eq(claim_take(&word, ticket, CLAIM_AWAITING_ONE), CLAIM_TAKEN);
    ck_assert_int_eq(claim_restore(&word, &hint, &ticket), CLAIM_TAKEN);
    ck_assert_uint_eq(claim_awaiting(word), 0);
    ck_assert_int_ne(claim_take(&word, stale, 0), CLAIM_TAKEN);
    ck_assert_int_eq(claim_take(&word, ticket, 0), CLAIM_TAKEN);
}
END_TEST

START_TEST(only_states_are_valid_words) {
    int valid = 0;
    for (uint32_t word = 0; word < 0x10000; word++) {
        valid += word_is_valid(word);
    }
    /* READY over 2 kinds, PENDING over 2, the four claimed states over 4; each with and without the two flags */
    ck_assert_int_eq(valid, (2 + 2 + 4 * 4) * 4);
    ck_assert(!word_is_valid(0));
    ck_assert(!word_is_valid(UINT64_MAX));
}
END_TEST

START_TEST(a_checked_ticket_is_spent_once) {
    uint64_t tickets[1000];
    for (int i = 0; i < 1000; i++) {
        tickets[i] = vti_checked_issue();
        ck_assert_uint_ne(tickets[i], 0);
        ck_assert_uint_eq(tickets[i] >> 48, 0);
    }
    for (int i = 0; i < 1000; i++) {
        ck_assert(vti_checked_spend(tickets[i]));
        ck_assert(!vti_checked_spend(tickets[i]));
    }
}
END_TEST

START_TEST(a_full_table_leaves_value_tasks_unchecked) {
    uint64_t last = 1;
    for (long i = 0; i < 3L << 20 && last != 0; i++) {
        last = vti_checked_issue();
    }
    ck_assert_uint_eq(last, 0);
}
END_TEST

START_TEST(options_are_read_in_any_order_and_separator) {
    ck_assert_int_eq(vti_options_parse(NULL).misuse, MISUSE_REPORT);
    ck_assert_int_eq(vti_options_parse("").misuse, MISUSE_REPORT);
    ck_assert_int_eq(vti_options_parse("misuse=abort").misuse, MISUSE_ABORT);
    ck_assert_int_eq(vti_options_parse("checked,misuse=quiet").misuse, MISUSE_QUIET);
    ck_assert(vti_options_parse("misuse=quiet:checked").checked);
    ck_assert(vti_options_parse("checked misuse=report").checked);
    ck_assert(!vti_options_parse("misuse=abort,checkedx").checked);
    ck_assert_int_eq(vti_options_parse("misuse=abort misuse=report").misuse, MISUSE_REPORT);
}
END_TEST

START_TEST(every_code_has_its_own_text) {
    static const int codes[] = {
#define CODE(name, offset, text) name,
        VTASK_ERRORS(CODE)
#undef CODE
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        ck_assert_int_gt(codes[i], VTASK_E_BASE);
        ck_assert_str_ne(vtask_strerror(codes[i]), vtask_strerror(-1));
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(vtask_strerror(codes[i]), vtask_strerror(codes[j]));
        }
    }
    ck_assert_str_eq(vtask_strerror(ENOMEM), strerror(ENOMEM));
    ck_assert_str_eq(vtask_strerror(0), strerror(0));
    ck_assert_str_eq(vtask_strerror(123456), "unknown error");
    ck_assert_str_eq(vtask_version(), VTASK_VERSION_STRING);
}
END_TEST

/* --- depth: what does not fit one stack goes on on another thread's --- */

struct level {
    int left;
    int failed; /* how many awaits of this chain said VTASK_E_OVERFLOW */
};

static int descend(void *arg, task_value *result) {
    struct level here = *(struct level *)arg, below = {here.left - 1, 0};
    if (here.left == 0) {
        result->i64 = 0;
        return 0;
    }
    task *t = task_run(descend, &below);
    int error = task_await(t, result);
    result->i64++;
    task_release(t);
    return error;
}

static int join_down(void *arg, task_value *result) {
    struct level here = *(struct level *)arg, below = {here.left - 1, 0};
    vt_child child;
    if (here.left == 0) {
        return 0;
    }
    vt_fork(&child, join_down, &below);
    int error = vt_join(&child, result);
    result->i64++;
    return error;
}

START_TEST(nesting_deeper_than_a_stack_goes_on_on_another) {
    task_fn *const chains[] = {descend, join_down};
    task_pool *pool;
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    task_options in_pool = TASK_OPTIONS_INIT;
    struct level top = {2000, 0};
    task_value depth;
    task_pool_stats stats = TASK_POOL_STATS_INIT;
    options.workers = 1;
    options.stack_size = 256u * 1024;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    options.stack_size = 1024u * 1024;
#endif
    ck_assert_int_eq(task_pool_create(&pool, &options), 0);
    in_pool.pool = pool;
    ck_assert_int_eq(task_join(task_run_with(&in_pool, chains[_i], &top), &depth), 0);
    ck_assert_int_eq(depth.i64, top.left);
    task_pool_get_stats(pool, &stats);
    ck_assert_uint_le(stats.threads, 256);
    ck_assert_int_eq(task_pool_close(pool), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("words");
    TCase *c = tcase_create("words");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, thirty_two_tickets_are_out_at_a_time_and_each_is_taken_once, 0, 33);
    tcase_add_test(c, tickets_and_awaits_are_62_together);
    tcase_add_test(c, a_spent_ticket_is_no_later_one);
    tcase_add_test(c, a_failed_wait_gives_a_ticket_again);
    tcase_add_test(c, only_states_are_valid_words);
    tcase_add_test(c, a_checked_ticket_is_spent_once);
    tcase_add_test(c, a_full_table_leaves_value_tasks_unchecked);
    tcase_add_test(c, options_are_read_in_any_order_and_separator);
    tcase_add_test(c, every_code_has_its_own_text);
    tcase_add_loop_test(c, nesting_deeper_than_a_stack_goes_on_on_another, 0, 2);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
