/* external, with libuv's uv_queue_work: the main thread is the loop; the next batch is queued when one has come home. */
#include <uv.h>

#include "external.h"
#include "load.h"

typedef struct job {
    uv_work_t request;
    uint64_t arg, value;
} job;

static uint64_t home; /* the sum of what came home; the loop's thread only */

static void work(uv_work_t *request) {
    job *j = request->data;
    j->value = j->arg;
}

static void after(uv_work_t *request, int status) {
    job *j = request->data;
    if (status != 0) {
        load_fail("uv_queue_work: %s", uv_strerror(status));
    }
    home += j->value;
}

static uint64_t loop(uv_loop_t *uv, uint64_t n) {
    job jobs[EXTERNAL_BATCH];
    home = 0;
    for (uint64_t at = 0; at < n; at += EXTERNAL_BATCH) {
        uint64_t count = n - at < EXTERNAL_BATCH ? n - at : EXTERNAL_BATCH;
        for (uint64_t i = 0; i < count; i++) {
            jobs[i].arg = at + i;
            jobs[i].request.data = &jobs[i];
            if (uv_queue_work(uv, &jobs[i].request, work, after) != 0) {
                load_fail("uv_queue_work failed");
            }
        }
        uv_run(uv, UV_RUN_DEFAULT); /* until all are home */
    }
    return home;
}

static void run_producers1(load_run *run) {
    char workers[16];
    uv_loop_t uv;
    snprintf(workers, sizeof workers, "%u", run->workers);
    setenv("UV_THREADPOOL_SIZE", workers, 1); /* read at the first request */
    uv_loop_init(&uv);
    loop(&uv, EXTERNAL_BATCH);
    load_begin(run);
    run->result = loop(&uv, run->size);
    load_end(run);
    run->operations = run->size;
    run->expected = run->size * (run->size - 1) / 2;
    uv_loop_close(&uv);
}

static const load_variant variants[] = {{"producers1", run_producers1}};

LOAD_MAIN("external", "libuv", 1000000, variants)
