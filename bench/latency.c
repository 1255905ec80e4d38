/* latency: the round trip to an idle pool; the floor is a futex ping-pong between two threads with the same pauses. */
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vtask.h>

#include "inside.h"
#include "latency.h"
#include "load.h"

static int one(void *arg, task_value *result) {
    (void)arg;
    result->u64 = 1;
    return 0;
}

static uint64_t trip_task(void *context) {
    task_options options = TASK_OPTIONS_INIT;
    task_value value;
    options.pool = context;
    inside_check(task_join(inside_made(task_run_with(&options, one, NULL)), &value), "task_join");
    return value.u64;
}

static void run_task(load_run *run) {
    task_pool *pool = inside_pool(run->workers);
    latency_measure(run, trip_task, pool);
    inside_check(task_pool_close(pool), "task_pool_close");
}

/* Two words, each written by one side and waited for by the other. 0: nothing; 1: a ball; 2: the end. */
struct table {
    uint32_t a_ping, a_pong;
};

static void hit(uint32_t *word, uint32_t ball) {
    __atomic_store_n(word, ball, __ATOMIC_RELEASE);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static uint32_t catch_ball(uint32_t *word) {
    uint32_t ball;
    while ((ball = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == 0) {
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
    __atomic_store_n(word, 0, __ATOMIC_RELAXED); /* before our answer, which releases it */
    return ball;
}

static void *player(void *arg) {
    struct table *table = arg;
    while (catch_ball(&table->a_ping) == 1) {
        hit(&table->a_pong, 1);
    }
    return NULL;
}

static uint64_t trip_floor(void *context) {
    struct table *table = context;
    hit(&table->a_ping, 1);
    return catch_ball(&table->a_pong);
}

static void run_floor(load_run *run) {
    struct table table = {0, 0};
    pthread_t thread;
    if (pthread_create(&thread, NULL, player, &table) != 0) {
        load_fail("pthread_create failed");
    }
    latency_measure(run, trip_floor, &table);
    hit(&table.a_ping, 2);
    pthread_join(thread, NULL);
}

static const load_variant variants[] = {{"task", run_task}, {"floor", run_floor}};

LOAD_MAIN("latency", "vtask", 5000, variants)
