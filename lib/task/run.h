/* task/run.h: running a task on this thread, inlined where a queue hands it out and where it is awaited. */
#ifndef VTI_TASK_RUN_H
#define VTI_TASK_RUN_H

#include "sched/worker.h"
#include "task/task.h"

/* Calls options.free_arg, if there is one. In task.c */
void vti_task_free_argument(const task *t, void *arg);

/* Runs a task that is the caller's alone, on top of `below`; `w`: the worker that this thread is, or NULL. */
static inline void vti_task_run(struct worker *w, task *t, struct frame *below) {
    struct frame f;
    void *arg = t->value.ptr;
    task_value value = {.u64 = 0};
    if (w != NULL) {
        bump_owner(&w->a_jobs, 1);
    }
    frame_enter(w, &f, below, t, &t->where);
    int error = t->fn(arg, &value);
    if (UNLIKELY(t->has_extra != 0)) {
        vti_task_free_argument(t, arg);
    }
    frame_ended(w, &f);
    frame_leave(w, &f, below);
    if (UNLIKELY(vti_task_end(t, error, value))) {
        task_release(t); /* nobody wanted to see the end */
    }
}

/* The same with a task that the caller has taken from a private end. */
static inline void vti_task_run_private(struct worker *w, task *t, struct frame *below) {
    store_rlx(&t->a_phase, (uint32_t)PHASE_RUNNING); /* news of the moment: nothing is carried */
    vti_task_run(w, t, below);
}

#endif
