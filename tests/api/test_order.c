/* test_order.c: what a worker keeps at hand is neither lost nor left behind, and misuse there is reported.
 *
 * [A] of tasks that start each other for ever, the older ones have their turn
 * [B] awaits of what a silent worker keeps are served without a thread for each
 * [C] callbacks that fork and start tasks while the library moves others lose none
 * [D] a child left unjoined by a task that yielded, by free_arg, by free_value, is reported with its site
 * [E] in the child of a fork() a join is refused, and the function around it goes on
 */
#include <sys/wait.h>

#include "api.h"

static int nothing(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    return 0;
}

/* --- [A] --- */

static atomic_int flag;

static int set_flag(void *arg, task_value *result) {
    (void)result;
    atomic_store(&flag, 1);
    gate_arrive(arg);
    return 0;
}

static int again_until_flag(void *arg, task_value *result) {
    if (atomic_load(&flag) == 0)
        task_release(task_run(again_until_flag, NULL));
    return nothing(arg, result);
}

static int older_and_newer(void *arg, task_value *result) {
    (void)result;
    task_release(task_run(set_flag, arg));
    task_release(task_run(again_until_flag, NULL));
    return 0;
}

START_TEST(older_tasks_have_their_turn) {
    task_pool *pool = pool_of((unsigned)_i);
    gate done = GATE_INIT;
    atomic_store(&flag, 0);
    for (int i = 0; i < _i; i++) /* nobody is free to steal */
        task_release(run_in(pool, again_until_flag, NULL));
    must(do_in(pool, older_and_newer, &done) == 0);
    gate_await(&done, 1);
    close_pool(pool);
}
END_TEST

/* --- [B] --- */

typedef struct silent {
    gate made, release;
    task *kept;
    task_pool *pool;
} silent;

static int one(void *arg, task_value *result) {
    (void)arg;
    result->i64 = 1;
    return 0;
}

static int keep_and_be_silent(void *arg, task_value *result) {
    silent *s = arg;
    (void)result;
    s->kept = task_run(one, NULL);
    gate_arrive(&s->made);
    gate_pass(&s->release);
    return 0;
}

static int await_kept(void *arg, task_value *result) { return task_await(((silent *)arg)->kept, result); }

enum { AWAITERS = 600 }; /* more than a pool has threads */

static int many_awaits(void *arg, task_value *result) {
    static task *awaiters[AWAITERS];
    silent *s = arg;
    (void)result;
    gate_await(&s->made, 1);
    for (unsigned i = 0; i < AWAITERS; i++)
        must((awaiters[i] = task_run(await_kept, s)) != NULL);
    for (unsigned i = 0; i < AWAITERS; i++) {
        task_value v = {0};
        must(task_join(awaiters[i], &v) == 0);
        must(v.i64 == 1);
    }
    return 0;
}

START_TEST(awaits_of_what_a_silent_worker_keeps_are_served) {
    task_pool *pool = pool_of(2);
    silent s = {.made = GATE_INIT, .release = GATE_INIT, .pool = pool};
    task *owner = run_in(pool, keep_and_be_silent, &s);
    must(do_in(pool, many_awaits, &s) == 0);
    gate_open(&s.release);
    must(task_join(owner, NULL) == 0);
    task_release(s.kept);
    close_pool(pool);
}
END_TEST

/* --- [C] --- */

enum { MOVED = 289, NEWER = 400 };
static atomic_int armed, ran[MOVED], newer;

static int count_newer(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    atomic_fetch_add(&newer, 1);
    return 0;
}

static int joins_out_of_order(void *arg, task_value *result) {
    vt_child a, b;
    (void)arg;
    (void)result;
    vt_fork(&a, nothing, NULL);
    vt_fork(&b, nothing, NULL);
    must(vt_join(&a, NULL) == 0);
    must(vt_join(&b, NULL) == 0);
    return 0;
}

static void busy_callback(task_value value) {
    vt_child c;
    (void)value;
    if (atomic_exchange(&armed, 0) == 0)
        return;
    vt_fork(&c, joins_out_of_order, NULL);
    must(vt_join(&c, NULL) == 0);
    for (int i = 0; i < NEWER; i++)
        task_release(task_run(count_newer, NULL));
}

static int mark(void *arg, task_value *result) {
    (void)result;
    atomic_fetch_add(&ran[(intptr_t)arg], 1);
    return 0;
}

/* Stale entries fill the ring, so that moving the rest there drops them, and their values with them. */
static int move_with_callbacks(void *arg, task_value *result) {
    static task *tasks[MOVED];
    task_options options = TASK_OPTIONS_INIT;
    (void)arg;
    (void)result;
    options.free_value = busy_callback;
    for (intptr_t i = 0; i < MOVED; i++) {
        for (int k = 224; i == MOVED - 1 && k < 230; k++) {
            must(task_join(tasks[k], NULL) == 0);
            tasks[k] = NULL;
        }
        must((tasks[i] = task_run_with(&options, mark, (void *)i)) != NULL);
    }
    for (int i = 0; i < 256; i++) {
        if (tasks[i] != NULL)
            must(task_join(tasks[i], NULL) == 0);
    }
    atomic_store(&armed, 1);
    must(task_yield() == 0);
    for (int i = 256; i < MOVED; i++)
        must(task_join(tasks[i], NULL) == 0);
    return 0;
}

START_TEST(callbacks_while_tasks_are_moved_lose_none) {
    task_pool *pool = pool_of((unsigned)_i);
    must(do_in(pool, move_with_callbacks, NULL) == 0);
    int started = atomic_load(&armed) == 0 ? NEWER : 0;
    close_pool(pool); /* runs all that was started */
    ck_assert_int_eq(atomic_load(&newer), started);
    for (int i = 0; i < MOVED; i++)
        ck_assert_int_eq(atomic_load(&ran[i]), 1);
}
END_TEST

/* --- [D] --- */

static int leave_one(void *arg, task_value *result) {
    vt_child c;
    (void)arg;
    (void)result;
    vt_fork_at(&c, nothing, NULL, "unjoined.c:5");
    return 0;
}

static int yields_then_leaves_one(void *arg, task_value *result) {
    vt_child c, d;
    (void)arg;
    (void)result;
    vt_fork(&c, nothing, NULL);
    must(task_yield() == 0);
    must(vt_join(&c, NULL) == 0);
    vt_fork_at(&d, nothing, NULL, "unjoined.c:5");
    return 0;
}

static int older_jobs_below(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    task_release(task_run(nothing, NULL));
    task_release(task_run(nothing, NULL));
    task_release(task_run(yields_then_leaves_one, NULL));
    return 0;
}

/* An older job, below the frame of who awaits it, leaves its slot free. */
static task *sibling;
static int awaits_older_then_leaves_one(void *arg, task_value *result) {
    vt_child c;
    (void)arg;
    (void)result;
    must(task_join(sibling, NULL) == 0);
    vt_fork_at(&c, nothing, NULL, "unjoined.c:5");
    return 0;
}

static int older_sibling_below(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    sibling = task_run(nothing, NULL);
    task_release(task_run_at(awaits_older_then_leaves_one, NULL, "maker.c:7"));
    return 0;
}

static void leave_as_argument(void *arg) {
    vt_child c;
    (void)arg;
    vt_fork_at(&c, nothing, NULL, "unjoined.c:5");
}

static void leave_below_callback(task_value value) {
    vt_child c;
    (void)value;
    vt_fork(&c, leave_one, NULL);
    (void)vt_join(&c, NULL);
}

static void leave_in_callback(task_value value) {
    (void)value;
    leave_as_argument(NULL);
}

/* Ends only by the report. */
static int in_a_pool(task_fn *fn, void (*free_arg)(void *), void (*free_value)(task_value)) {
    task_pool *pool = pool_of(1);
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    options.free_arg = free_arg;
    options.free_value = free_value;
    task_release(task_run_with(&options, fn, NULL));
    close_pool(pool);
    return 42;
}

static int child_yield(void) { return in_a_pool(older_jobs_below, NULL, NULL); }
static int child_sibling(void) { return in_a_pool(older_sibling_below, NULL, NULL); }
static int child_free_arg(void) { return in_a_pool(nothing, leave_as_argument, NULL); }

/* The worker gives up the last reference, and so calls free_value, outside of any frame. */
static gate released = GATE_INIT;
static int wait_for_release(void *arg, task_value *result) {
    gate_pass(&released);
    return nothing(arg, result);
}

static int with_free_value(void (*free_value)(task_value)) {
    task_pool *pool = pool_of(1);
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    options.free_value = free_value;
    task_release(task_run_with(&options, wait_for_release, NULL));
    gate_open(&released);
    close_pool(pool);
    return 42;
}

static int child_free_value(void) { return with_free_value(leave_in_callback); }
static int child_below_free_value(void) { return with_free_value(leave_below_callback); }

static const child_main children[] = {{"yield", child_yield},
                                      {"sibling", child_sibling},
                                      {"free_arg", child_free_arg},
                                      {"free_value", child_free_value},
                                      {"below_free_value", child_below_free_value}};

START_TEST(child_left_unjoined_is_reported_with_its_site) {
    static child_end end;
    setenv("TSAN_OPTIONS", "halt_on_error=0", 1);
    run_child(children[_i].name, NULL, &end);
    assert_aborts(&end);
    ck_assert_msg(strstr(end.err, "unjoined.c:5") != NULL, "it said: %s", end.err);
    if (children[_i].fn == child_sibling)
        ck_assert_msg(strstr(end.err, "maker.c:7") != NULL, "it said: %s", end.err);
}
END_TEST

/* --- [E] --- */

VT_FUNCTION_0(int, seven) { return 7; }

static int fork_below_a_child(void *arg, task_value *result) {
    vt_child c;
    int status = 0;
    (void)result;
    vt_fork(&c, nothing, NULL);
    VT_FORK_0(seven, typed);
    pid_t child = fork();
    if (child == 0) {
        *(int *)arg = vt_join(&c, NULL);
        must(VT_JOIN(seven, typed) == 0);
        return 0;
    }
    must(child > 0 && waitpid(child, &status, 0) == child);
    *(int *)arg = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    must(VT_JOIN(seven, typed) == 7);
    return vt_join(&c, NULL);
}

static int fork_in_a_child(void *arg, task_value *result) {
    pid_t here = getpid();
    vt_child c;
    int found = 0;
    (void)arg;
    (void)result;
    vt_fork(&c, fork_below_a_child, &found);
    int error = vt_join(&c, NULL);
    if (getpid() != here)
        _exit(found == VTASK_E_FORKED && error == 0 && reports_count(&heard) == 0 ? 7 : 8);
    must(error == 0);
    return found;
}

START_TEST(join_after_a_fork_is_a_code_and_nothing_more) {
    task_pool *pool = pool_of(1);
    listen_to_reports();
    ck_assert_int_eq(do_in(pool, fork_in_a_child, NULL), 7);
    close_pool(pool);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("order");
    TCase *c = case_in(s, "what a worker keeps");
    tcase_add_loop_test(c, older_tasks_have_their_turn, 1, 4);
    tcase_add_test(c, awaits_of_what_a_silent_worker_keeps_are_served);
    tcase_add_loop_test(c, callbacks_while_tasks_are_moved_lose_none, 1, 3);
    tcase_add_loop_test(c, child_left_unjoined_is_reported_with_its_site, 0, COUNT(children));
    if (!UNDER_SANITIZER) /* their run-time libraries do not survive a fork() of threads */
        tcase_add_test(c, join_after_a_fork_is_a_code_and_nothing_more);
    return s;
}

int main(int argc, char **argv) { return suite_main(argc, argv, make, children, COUNT(children)); }
