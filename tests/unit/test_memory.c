/* Every allocation of the library fails once: the call says so, nothing is lost, and the same call works afterwards. */
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <vtask.h>

#include "base/alloc.h"
#include "task/task.h"

enum { MOST_ALLOCATIONS = 20 };

static int forty_two(void *arg, task_value *result) {
    (void)arg;
    result->i64 = 42;
    return 0;
}

static int freed_args;
static void count_arg(void *arg) {
    (void)arg;
    freed_args++;
}

/* Runs attempt() with 0, 1, 2.. allocations granted until it succeeds, which must take some failures. */
static void every_failure(bool (*attempt)(void)) {
    bool done = false;
    int failures = 0;
    for (uint32_t granted = 0; granted < MOST_ALLOCATIONS && !done; granted++) {
        vti_alloc_fail_after(granted);
        errno = 0;
        done = attempt();
        vti_alloc_fail_after(UINT32_MAX);
        failures += !done;
    }
    ck_assert(done);
    ck_assert_int_gt(failures, 0);
}

static bool create_pool(void) {
    task_pool *pool = NULL;
    int error = task_pool_create(&pool, NULL);
    if (error != 0) {
        ck_assert_int_eq(error, ENOMEM);
        ck_assert_ptr_null(pool);
        return false;
    }
    ck_assert_int_eq(task_pool_close(pool), 0);
    return true;
}

START_TEST(pool_creation_without_memory_is_enomem) { every_failure(create_pool); }
END_TEST

static bool default_pool(void) {
    task_pool *pool = task_pool_default();
    ck_assert(pool != NULL || errno == ENOMEM);
    return pool != NULL;
}

START_TEST(default_pool_is_made_once_memory_is_there_again) { every_failure(default_pool); }
END_TEST

static task_pool *pool;

static void make_pool(void) {
    task_pool_options options = TASK_POOL_OPTIONS_INIT;
    options.workers = 1;
    ck_assert_int_eq(task_pool_create(&pool, &options), 0);
}

static void close_pool(void) { ck_assert_int_eq(task_pool_close(pool), 0); }

static bool run_plain(void) {
    task_value v;
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    task *t = task_run_with(&options, forty_two, NULL);
    if (t == NULL) {
        ck_assert_int_eq(errno, ENOMEM);
        return false;
    }
    ck_assert_int_eq(task_join(t, &v), 0);
    ck_assert_int_eq(v.i64, 42);
    return true;
}

START_TEST(task_run_without_memory_is_enomem) {
    make_pool();
    every_failure(run_plain);
    close_pool();
}
END_TEST

static bool run_with_everything(void) {
    int before = freed_args, number = 7;
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    options.arg_size = sizeof number;
    options.free_arg = count_arg;
    task *t = task_run_with(&options, forty_two, &number);
    if (t == NULL) {
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_int_eq(freed_args, before); /* the argument stayed the caller's */
        return false;
    }
    ck_assert_int_eq(task_join(t, NULL), 0);
    ck_assert_int_eq(freed_args, before + 1);
    return true;
}

START_TEST(failed_task_run_keeps_and_frees_nothing) {
    make_pool();
    every_failure(run_with_everything);
    close_pool();
}
END_TEST

static bool run_long(void) {
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    options.flags = TASK_LONG_RUNNING;
    task *t = task_run_with(&options, forty_two, NULL);
    ck_assert(t != NULL || errno == ENOMEM);
    return t != NULL && task_join(t, NULL) == 0;
}

START_TEST(long_running_task_without_memory_is_enomem) {
    make_pool();
    every_failure(run_long);
    close_pool();
}
END_TEST

static task *inputs[2];

static bool all_of(void) {
    task *t = when_all(inputs, 2);
    ck_assert(t != NULL || errno == ENOMEM);
    return t != NULL && task_join(t, NULL) == 0;
}

static int seen;
static int see(void *context, size_t index, task *done) {
    (void)context;
    (void)index;
    ck_assert_int_eq(task_error(done), 0);
    seen++;
    return 0;
}

static bool each_of(void) {
    seen = 0;
    int error = when_each(inputs, 2, see, NULL);
    ck_assert(error == 0 ? seen == 2 : error == ENOMEM && seen == 0);
    return error == 0;
}

static task_pool *held_pool;
static vt_source gate;

static int wait_at_gate(void *arg, task_value *result) {
    vt *v = arg;
    return vt_await(v, result);
}

START_TEST(combinators_without_memory_are_enomem_and_hold_no_input) {
    bool (*const attempts[])(void) = {all_of, each_of};
    inputs[0] = task_from_value((task_value){.i64 = 1});
    inputs[1] = task_from_value((task_value){.i64 = 2});
    every_failure(attempts[_i]);
    task_release(inputs[0]);
    task_release(inputs[1]);
}
END_TEST

/* The same over tasks that have not ended. */
static uint64_t waits_in(task_pool *in) {
    task_pool_stats stats = {.size = sizeof stats};
    task_pool_get_stats(in, &stats);
    return stats.blocks;
}

START_TEST(when_any_over_pending_tasks_without_memory_is_enomem) {
    vt_source_init(&gate);
    vt waiting[2] = {vt_from_source(&gate), vt_from_source(&gate)};
    task_value v = {.u64 = 9};
    make_pool();
    held_pool = pool;
    for (int i = 0; i < 2; i++) {
        task_options options = TASK_OPTIONS_INIT;
        options.pool = held_pool;
        inputs[i] = task_run_with(&options, wait_at_gate, &waiting[i]);
    }
    while (waits_in(held_pool) < 2) { /* a wait that begins later would lack memory for the thread in its place */
        (void)sched_yield();
    }
    task *t = NULL;
    for (uint32_t granted = 0; t == NULL; granted++) {
        ck_assert_uint_lt(granted, MOST_ALLOCATIONS);
        vti_alloc_fail_after(granted);
        t = when_any(inputs, 2);
        vti_alloc_fail_after(UINT32_MAX);
        ck_assert(t != NULL || errno == ENOMEM);
    }
    ck_assert_int_eq(vt_source_set_value(&gate, (task_value){.i64 = 5}), 0);
    ck_assert_int_eq(task_join(t, &v), 0);
    ck_assert_uint_lt(v.u64, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(task_join(inputs[i], &v), 0);
        ck_assert_int_eq(v.i64, 5);
    }
    close_pool();
}
END_TEST

/* --- converting: it allocates before it claims --- */

static bool convert(vt *v) {
    task_value value;
    task *t = vt_as_task(v);
    if (t == NULL) {
        ck_assert_int_eq(errno, ENOMEM);
        return false;
    }
    ck_assert_int_eq(task_join(t, &value), 0);
    ck_assert_int_eq(value.i64, 5);
    return true;
}

static vt converted;
static bool convert_it(void) { return convert(&converted); }

START_TEST(conversion_without_memory_leaves_the_value_task_unspent) {
    vt_source source;
    vt_source_init(&source);
    if (_i == 0) {
        converted = vt_from_value((task_value){.i64 = 5});
    } else {
        ck_assert_int_eq(vt_source_set_value(&source, (task_value){.i64 = 5}), 0);
        converted = vt_from_source(&source);
    }
    every_failure(convert_it);
    ck_assert_int_eq(vt_source_fini(&source), 0);
}
END_TEST

/* --- blocks --- */

START_TEST(every_block_comes_home) {
    int64_t before = vti_blocks_in_use();
    make_pool();
    for (int i = 0; i < 1000; i++) {
        task_options options = TASK_OPTIONS_INIT;
        options.pool = pool;
        task *t = task_run_with(&options, forty_two, NULL);
        if (i % 3 == 0) {
            vt v = vt_from_task(t);
            ck_assert_int_eq(vt_await(&v, NULL), 0);
        } else if (i % 3 == 1) {
            task *pair[2] = {t, t};
            ck_assert_int_eq(task_join(when_all(pair, 2), NULL), 0);
            ck_assert_int_eq(task_join(when_any(pair, 2), NULL), 0);
            task_release(t);
        } else {
            task_release(t);
        }
    }
    close_pool();
    ck_assert_int_eq(vti_blocks_in_use(), before);
}
END_TEST

/* A task that its awaiter runs leaves a stale entry in the queue, with a reference; a full ring drops those. */
static int run_and_join_many(void *arg, task_value *result) {
    (void)arg;
    for (int i = 0; i < 20000; i++) {
        if (task_join(task_run(forty_two, NULL), NULL) != 0) {
            return EIO;
        }
        int64_t in_use = vti_blocks_in_use();
        result->i64 = in_use > result->i64 ? in_use : result->i64;
    }
    return 0;
}

START_TEST(tasks_run_by_their_awaiter_leave_no_more_than_a_ring_behind) {
    task_value most = {.i64 = -1};
    task_options options = TASK_OPTIONS_INIT;
    make_pool();
    options.pool = pool;
    ck_assert_int_eq(task_join(task_run_with(&options, run_and_join_many, NULL), &most), 0);
    close_pool();
    ck_assert_int_le(most.i64, 300); /* counted in debug builds; else 0 */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory");
    TCase *c = tcase_create("memory");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, pool_creation_without_memory_is_enomem);
    tcase_add_test(c, default_pool_is_made_once_memory_is_there_again);
    tcase_add_test(c, task_run_without_memory_is_enomem);
    tcase_add_test(c, failed_task_run_keeps_and_frees_nothing);
    tcase_add_test(c, long_running_task_without_memory_is_enomem);
    tcase_add_loop_test(c, combinators_without_memory_are_enomem_and_hold_no_input, 0, 2);
    tcase_add_test(c, when_any_over_pending_tasks_without_memory_is_enomem);
    tcase_add_loop_test(c, conversion_without_memory_leaves_the_value_task_unspent, 0, 2);
    tcase_add_test(c, every_block_comes_home);
    tcase_add_test(c, tasks_run_by_their_awaiter_leave_no_more_than_a_ring_behind);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
