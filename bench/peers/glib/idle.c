/* idle, with GLib's GThreadPool. */
#include <glib.h>

#include "idle.h"
#include "latch.h"
#include "load.h"

static latch all;
static uint32_t a_done;

static void work(gpointer data, gpointer context) {
    (void)data, (void)context;
    load_spin(IDLE_WORK_NS);
    __atomic_add_fetch(&a_done, 1, __ATOMIC_RELAXED); /* the latch carries it */
    latch_count_down(&all);
}

static void run_idle(load_run *run) {
    GThreadPool *pool = g_thread_pool_new(work, NULL, (gint)run->workers, TRUE, NULL);
    latch_init(&all, IDLE_TASKS);
    for (unsigned i = 0; i < IDLE_TASKS; i++) {
        g_thread_pool_push(pool, &all, NULL);
    }
    latch_wait(&all);
    idle_measure(run, a_done);
    g_thread_pool_free(pool, FALSE, TRUE);
}

static const load_variant variants[] = {{"idle", run_idle}};

LOAD_MAIN("idle", "glib", 5000, variants)
