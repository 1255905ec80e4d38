/* The edges: full stacks without another thread, many awaits of one object, long reports, frees that fork. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <vtask.h>

#include "base/atomic.h"
#include "base/sanitizer.h"
#include "task/claim.h"

static task_pool *pool;
static task_options inside = TASK_OPTIONS_INIT;

static void make_pool(unsigned workers, size_t stack_size) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    options.workers = workers;
    options.stack_size = stack_size;
    ck_assert_int_eq(task_pool_create(&pool, &options), 0);
    inside.pool = pool;
}

static void close_pool(void) { ck_assert_int_eq(task_pool_close(pool), 0); }

/* --- more nesting than 256 stacks hold --- */

static int join_down(void *arg, task_value *result) {
    intptr_t left = (intptr_t)arg;
    vt_child child;
    if (left == 0) {
        return 0;
    }
    vt_fork(&child, join_down, (void *)(left - 1));
    return vt_join(&child, result);
}

static int await_down(void *arg, task_value *result) {
    intptr_t left = (intptr_t)arg;
    return left == 0 ? 0 : task_join(task_run(await_down, (void *)(left - 1)), result);
}

START_TEST(nesting_deeper_than_all_stacks_is_overflow_and_no_hang) {
    task_fn *const chains[] = {join_down, await_down};
    make_pool(2, 64 * 1024);
    /* 256 stacks of 64 KiB: a child alone takes 64 bytes of them at each level */
    int error = task_join(task_run_with(&inside, chains[_i], (void *)(intptr_t)300000), NULL);
    ck_assert_int_eq(error, VTASK_E_OVERFLOW);
    ck_assert_int_eq(task_join(task_run_with(&inside, chains[_i], (void *)(intptr_t)10), NULL), 0);
    close_pool();
}
END_TEST

/* --- tickets and awaits before one object --- */

START_TEST(sixty_two_tickets_and_awaits_and_no_more) {
    atomic_u64 word = 0;
    atomic_u32 hint = 0;
    claim_ticket ticket;
    int awaits = 0;
    while (claim_issue(&word, &hint, &ticket) == CLAIM_TAKEN) {
        ck_assert_int_eq(claim_take(&word, ticket, CLAIM_AWAITING_ONE), CLAIM_TAKEN);
        awaits++;
    }
    ck_assert_int_eq(awaits, CLAIM_MOST);
    ck_assert(!claim_reset_begin(&word)); /* an await is under way, and the word does not say otherwise */
    claim_end(&word);
    ck_assert_int_eq(claim_issue(&word, &hint, &ticket), CLAIM_TAKEN);
    ck_assert_int_eq(claim_take(&word, ticket, 0), CLAIM_TAKEN);
    while (awaits-- > 1) {
        claim_end(&word);
    }
    ck_assert(claim_reset_begin(&word));
}
END_TEST

/* --- the longest report --- */

#define TEN "abcdefghij"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
enum { RING = 12 };
static task *ring[RING];
static size_t text_length;
static int code;

static void measure(const vt_misuse *report, void *context) {
    (void)context;
    code = report->code;
    text_length = strlen(report->text);
}

static int next_of_ring(void *arg, task_value *result) {
    intptr_t i = (intptr_t)arg;
    task_options options = TASK_OPTIONS_INIT;
    options.name = LONG;
    if (i == 0) {
        ring[0] = task_current();
    }
    if (i == RING - 1) {
        return task_await_at(ring[0], result, LONG);
    }
    ring[i + 1] = task_run_with_at(&options, next_of_ring, (void *)(i + 1), LONG);
    return task_join_at(ring[i + 1], result, LONG);
}

START_TEST(report_of_a_long_ring_with_long_names_fits) {
    make_pool(1, 0);
    vt_on_misuse(measure, NULL);
    task_options options = inside;
    options.name = LONG;
    task *first = task_run_with_at(&options, next_of_ring, (void *)0, LONG);
    ck_assert_int_eq(task_join(first, NULL), VTASK_E_CYCLE);
    ck_assert_int_eq(code, VTASK_E_CYCLE);
    ck_assert_uint_gt(text_length, 300);
    close_pool();
}
END_TEST

/* --- a free_value that forks: on a worker, outside of any task --- */

static atomic_u32 a_ran, a_in_task;

static int count_child(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    (void)add_rlx(&a_ran, 1u);
    (void)add_rlx(&a_in_task, task_current() != NULL ? 1u : 0u);
    return 0;
}

static void fork_many(task_value value) {
    vt_child children[64];
    (void)value;
    for (int i = 0; i < 64; i++) {
        vt_fork(&children[i], count_child, NULL);
    }
    for (int i = 63; i >= 0; i--) {
        (void)vt_join(&children[i], NULL);
    }
}

static int do_nothing(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    return 0;
}

START_TEST(free_value_may_fork_and_no_thief_takes_its_thread_for_a_task) {
    make_pool(3, 0);
    task_options options = inside;
    options.free_value = fork_many;
    for (int i = 0; i < 200; i++) {
        task_release(task_run_with(&options, do_nothing, NULL));
    }
    close_pool();
    ck_assert_uint_eq(load_rlx(&a_ran), 200 * 64);
    ck_assert_uint_eq(load_rlx(&a_in_task), 0);
}
END_TEST

/* --- a task that closes another pool keeps its own as wide as it was --- */

static task *queued;
static task_pool *other;

static int await_queued(void *arg, task_value *result) {
    (void)arg;
    return task_await(queued, result);
}

static int close_other(void *arg, task_value *result) {
    task_options there = TASK_OPTIONS_INIT;
    (void)arg;
    (void)result;
    there.pool = other;
    queued = task_run(do_nothing, NULL);
    task_release(task_run_with(&there, await_queued, NULL));
    return task_pool_close(other);
}

START_TEST(closing_a_pool_from_another_pools_task_lets_that_pool_work_on) {
    make_pool(1, 0);
    other = pool;
    make_pool(1, 0);
    ck_assert_int_eq(task_join(task_run_with(&inside, close_other, NULL), NULL), 0);
    ck_assert_int_eq(task_join(queued, NULL), 0);
    close_pool();
}
END_TEST

/* --- combinators over combinators that share --- */

static vt_source gate;
static int pass_gate(void *arg, task_value *result) { return vt_await(arg, result); }
static int await_it(void *arg, task_value *result) { return task_await(arg, result); }

START_TEST(doubly_nested_when_all_is_awaited_in_bounded_time) {
    enum { DEPTH = 60 };
    vt_source_init(&gate);
    vt wait = vt_from_source(&gate);
    make_pool(2, 0);
    task *t = task_run_with(&inside, pass_gate, &wait);
    for (int i = 0; i < DEPTH; i++) {
        task *both = when_all((task *[]){t, t}, 2);
        ck_assert_ptr_nonnull(both);
        task_release(t);
        t = both;
    }
    task *awaiter = task_run_with(&inside, await_it, t);
    ck_assert_int_eq(vt_source_set_value(&gate, (task_value){.i64 = 1}), 0);
    ck_assert_int_eq(task_join(awaiter, NULL), 0);
    task_release(t);
    close_pool();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("limits");
    TCase *c = tcase_create("limits");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, nesting_deeper_than_all_stacks_is_overflow_and_no_hang, 0, 2);
    tcase_add_test(c, sixty_two_tickets_and_awaits_and_no_more);
    tcase_add_test(c, report_of_a_long_ring_with_long_names_fits);
    tcase_add_test(c, free_value_may_fork_and_no_thief_takes_its_thread_for_a_task);
    tcase_add_test(c, closing_a_pool_from_another_pools_task_lets_that_pool_work_on);
    tcase_add_test(c, doubly_nested_when_all_is_awaited_in_bounded_time);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
