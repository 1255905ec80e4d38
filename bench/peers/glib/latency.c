/* latency, with GLib's GThreadPool and a futex latch. */
#include <glib.h>

#include "latch.h"
#include "latency.h"
#include "load.h"

static void work(gpointer data, gpointer context) {
    (void)context;
    latch_count_down(data);
}

static uint64_t trip(void *context) {
    latch done;
    latch_init(&done, 1);
    g_thread_pool_push(context, &done, NULL);
    latch_wait(&done);
    return 1;
}

static void run_task(load_run *run) {
    GThreadPool *pool = g_thread_pool_new(work, NULL, (gint)run->workers, TRUE, NULL);
    latency_measure(run, trip, pool);
    g_thread_pool_free(pool, FALSE, TRUE);
}

static const load_variant variants[] = {{"task", run_task}};

LOAD_MAIN("latency", "glib", 5000, variants)
