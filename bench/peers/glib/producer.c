/* producer, with GLib's GThreadPool: one of its threads pushes a job for each child, and a latch tells when all have run. */
#include <glib.h>

#include "latch.h"
#include "load.h"

#define WORK_NS 1000u

typedef struct loop {
    GThreadPool *pool;
    uint64_t n;
    uint64_t *values; /* values[i]: of job i + 1 */
    latch done;
} loop;

/* Jobs 1 to n are the children; job n + 1 pushes them. */
static void work(gpointer data, gpointer context) {
    loop *l = context;
    uint64_t number = (uint64_t)(uintptr_t)data;
    if (number > l->n) {
        for (uint64_t i = 1; i <= l->n; i++) {
            g_thread_pool_push(l->pool, (gpointer)(uintptr_t)i, NULL);
        }
        return;
    }
    load_spin(WORK_NS);
    l->values[number - 1] = number;
    latch_count_down(&l->done);
}

static uint64_t produce(loop *l, uint64_t n) {
    uint64_t sum = 0;
    l->n = n;
    latch_init(&l->done, (uint32_t)n);
    g_thread_pool_push(l->pool, (gpointer)(uintptr_t)(n + 1), NULL);
    latch_wait(&l->done);
    for (uint64_t i = 0; i < n; i++) {
        sum += l->values[i];
    }
    return sum;
}

static void run_tasks(load_run *run) {
    loop l = {.values = load_alloc_resident(run->size, sizeof *l.values)};
    l.pool = g_thread_pool_new(work, &l, (gint)run->workers, TRUE, NULL);
    produce(&l, run->size < 1000 ? run->size : 1000);
    load_begin(run);
    run->result = produce(&l, run->size);
    load_end(run);
    run->operations = run->size;
    run->expected = run->size * (run->size + 1) / 2;
    g_thread_pool_free(l.pool, FALSE, TRUE);
    free(l.values);
}

static const load_variant variants[] = {{"tasks", run_tasks}};

LOAD_MAIN("producer", "glib", 1000000, variants)
