/* live, with GLib's GThreadPool: every job from malloc, pushed from outside, and one latch for all. */
#include <glib.h>

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

static uint64_t loop(GThreadPool *pool, uint64_t n, job **jobs, double *resident) {
    uint64_t sum = 0;
    latch done;
    latch_init(&done, (uint32_t)n);
    for (uint64_t i = 0; i < n; i++) {
        jobs[i] = g_new(job, 1);
        *jobs[i] = (job){i + 1, 0, &done};
        g_thread_pool_push(pool, jobs[i], NULL);
    }
    latch_wait(&done);
    for (uint64_t i = 0; i < n; i++) {
        sum += jobs[i]->value;
    }
    *resident = load_resident();
    for (uint64_t i = 0; i < n; i++) {
        g_free(jobs[i]);
    }
    return sum;
}

static void run_tasks(load_run *run) {
    GThreadPool *pool = g_thread_pool_new(work, NULL, (gint)run->workers, TRUE, NULL);
    job **jobs = load_alloc_resident(run->size, sizeof *jobs);
    double resident = 0;
    loop(pool, run->size < 100 ? run->size : 100, jobs, &resident);
    double before = load_resident();
    load_begin(run);
    run->result = loop(pool, run->size, jobs, &resident);
    load_end(run);
    load_extra(run, "bytes_per_task", (resident - before) / (double)run->size);
    run->operations = run->size;
    run->expected = run->size * (run->size + 1) / 2;
    free(jobs);
    g_thread_pool_free(pool, FALSE, TRUE);
}

static const load_variant variants[] = {{"tasks", run_tasks}};

LOAD_MAIN("live", "glib", 1000000, variants)
