/* external, with GLib's GThreadPool: g_thread_pool_push for each task, one latch for each batch. */
#include <glib.h>

#include "external.h"
#include "latch.h"
#include "load.h"

typedef struct job {
    uint64_t arg, value;
    latch *done;
} job;

static void work(gpointer data, gpointer context) {
    job *j = data;
    (void)context;
    j->value = j->arg;
    latch_count_down(j->done);
}

static uint64_t batch(external_producer *self, uint64_t first, uint64_t count) {
    job jobs[EXTERNAL_BATCH];
    uint64_t sum = 0;
    latch done;
    latch_init(&done, (uint32_t)count);
    for (uint64_t i = 0; i < count; i++) {
        jobs[i] = (job){first + i, 0, &done};
        g_thread_pool_push(self->pool, &jobs[i], NULL);
    }
    latch_wait(&done);
    for (uint64_t i = 0; i < count; i++) {
        sum += jobs[i].value;
    }
    return sum;
}

static void measure(load_run *run, unsigned producers) {
    GThreadPool *pool = g_thread_pool_new(work, NULL, (gint)run->workers, TRUE, NULL);
    external_measure(run, pool, producers, batch);
    g_thread_pool_free(pool, FALSE, TRUE);
}

static void run_producers1(load_run *run) { measure(run, 1); }
static void run_producers4(load_run *run) { measure(run, 4); }

static const load_variant variants[] = {{"producers1", run_producers1}, {"producers4", run_producers4}};

LOAD_MAIN("external", "glib", 1000000, variants)
