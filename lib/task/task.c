/* task/task.c: tasks: made, run, ended, released. The words are described in task/task.h. */
#include "task/task.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "sched/pool.h"
#include "task/block.h"
#include "task/run.h"

static bool task_drop_if_dead(struct job *job);
static void task_run_job(struct job *job);
static void task_share(struct job *job);
static const struct job_kind task_kind = {task_run_job, task_drop_if_dead, task_share};

static task *task_of(struct job *job) { return container_of(job, task, job); }

/* Nobody else knows it yet: whoever is handed the task gets all this by that edge. */
static inline task *new_task(enum task_phase phase, task_fn *fn, void *arg, task_pool *pool, uint32_t forks,
                             const char *where) {
    task *t = vti_block_take();
    if (LIKELY(t != NULL)) {
        t->job.kind = &task_kind;
        store_rlx(&t->a_references, TASK_REFERENCE);
        store_rlx(&t->a_phase, (uint32_t)phase);
        t->fn = fn;
        t->value.ptr = arg;
        t->pool = pool;
        store_rlx(&t->waiters, NULL);
        t->name = NULL;
        t->where = where;
        t->forks = forks;
    }
    return t;
}

task *vti_task_new(const char *where) { return new_task(PHASE_PENDING, NULL, NULL, NULL, vti_fork_count(), where); }

void vti_task_add_extra(task *t, void *extra, void (*destroy)(task *t)) {
    t->extra = extra;
    t->destroy = destroy;
    t->has_extra = 1;
}

static void forget_extra(task *t) {
    t->extra = NULL;
    t->destroy = NULL;
    t->has_extra = 0;
}

task *task_retain(task *t) {
    if (t != NULL) {
        (void)add_rlx(&t->a_references, TASK_REFERENCE); /* the caller's own keeps it; nothing is carried */
    }
    return t;
}

static COLD void destroy(task *t) {
    t->destroy(t);
    forget_extra(t);
}

static inline void release(task *t) {
    if (!reference_give_up(&t->a_references, &t->waiters, t->fn != NULL)) {
        return;
    }
    if (UNLIKELY(t->has_extra != 0)) {
        destroy(t);
    }
    vti_block_give(t);
}

static COLD void release_watched(task *t) { release(t); }

void task_release(task *t) {
    if (t != NULL) {
        edge_is_watched() ? release_watched(t) : release(t);
    }
}

/* Claims a task that is queued, or waits for a thread of its own; `more` references come with it. */
static bool claim(task *t, uint32_t more) {
    uint32_t references = load_rlx(&t->a_references); /* the CAS carries */
    while ((references & TASK_CLAIMED) == 0) {
        if (cas_acqrel(&t->a_references, &references, (references | TASK_CLAIMED) + more)) {
            store_rlx(&t->a_phase, (uint32_t)PHASE_RUNNING); /* news of the moment: nothing is carried */
            return true;
        }
    }
    return false;
}

COLD void vti_task_free_argument(const task *t, void *arg) {
    const struct task_extra *extra = t->extra;
    if (extra->free_arg != NULL) {
        extra->free_arg(arg);
    }
}

static void task_share(struct job *job) { store_rel(&task_of(job)->a_phase, (uint32_t)PHASE_QUEUED); } /* [T1] */

static void task_run_job(struct job *job) {
    task *t = task_of(job);
    if (load_rlx(&t->a_phase) == PHASE_PRIVATE) { /* whoever gave it to the caller carried it */
        vti_task_run_private(vti_self.worker, t, NULL);
    } else if (claim(t, 0)) {
        vti_task_run(vti_self.worker, t, NULL);
    } else {
        task_release(t); /* the stale entry's */
    }
}

static bool task_drop_if_dead(struct job *job) {
    task *t = task_of(job);
    bool dead = (load_rlx(&t->a_references) & TASK_CLAIMED) != 0; /* decides nothing but who drops the reference */
    if (dead) {
        task_release(t); /* the stale entry's */
    }
    return dead;
}

/* Claims it where it is queued; the entry stays behind, stale. */
static bool claim_in_queue(const struct worker *w, task *t) {
    return t->pool == w->pool && load_acq(&t->a_phase) == PHASE_QUEUED && claim(t, TASK_REFERENCE); /* [T1] */
}

bool vti_task_try_run_inline(task *t) {
    struct worker *w = vti_self.worker;
    if (w == NULL || !worker_has_stack(w)) {
        return false;
    }
    if (vti_worker_take_back(w, &t->job)) {
        vti_task_run_private(w, t, vti_self.frame);
        return true;
    }
    bool claimed = claim_in_queue(w, t);
    if (claimed) {
        vti_task_run(w, t, vti_self.frame);
    }
    return claimed;
}

/* --- making --- */

static void destroy_extra(task *t) {
    struct task_extra *extra = t->extra;
    if (extra->free_value != NULL && t->error == 0) {
        extra->free_value(t->value);
    }
    vti_free(extra);
}

/* Room for the callbacks, and behind them for the argument, aligned as max_align_t. */
#define EXTRA_SIZE \
    ((sizeof(struct task_extra) + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t))

static int add_extra(task *t, const task_options *o, const void *arg) {
    if (o->free_arg == NULL && o->free_value == NULL && o->arg_size == 0) {
        return 0;
    }
    struct task_extra *extra = vti_alloc(EXTRA_SIZE + o->arg_size);
    if (extra == NULL) {
        return ENOMEM;
    }
    extra->free_arg = o->free_arg;
    extra->free_value = o->free_value;
    vti_task_add_extra(t, extra, destroy_extra);
    if (o->arg_size > 0) {
        t->value.ptr = (char *)extra + EXTRA_SIZE;
        memcpy(t->value.ptr, arg, o->arg_size);
    }
    return 0;
}

static bool options_are_good(const task_options *o, task_fn *fn, const void *arg) {
    return fn != NULL && o->size == sizeof *o && (o->flags & ~TASK_LONG_RUNNING) == 0 &&
           (o->arg_size == 0 || (arg != NULL && o->arg_size <= PTRDIFF_MAX / 2));
}

static task *new_with(const task_options *o, task_fn *fn, void *arg, const char *where) {
    task *t = new_task(PHASE_PRIVATE, fn, arg, o->pool, vti_fork_count(), where);
    if (t == NULL) {
        return NULL;
    }
    t->name = o->name;
    if (add_extra(t, o, arg) != 0) {
        vti_block_give(t);
        return NULL;
    }
    return t;
}

/* PRIVATE as yet; the private end's or the queue's edge carries it [T1]. */
static int submit(task *t, unsigned flags) {
    bool own = (flags & TASK_LONG_RUNNING) != 0;
    struct worker *w = vti_self.worker;
    if (!own && w != NULL && w->pool == t->pool) {
        vti_worker_push(w, &t->job);
        return 0;
    }
    store_rlx(&t->a_phase, (uint32_t)(own ? PHASE_OWN : PHASE_QUEUED)); /* as above */
    return own ? vti_pool_submit_own(t->pool, &t->job) : vti_pool_submit(t->pool, &t->job);
}

static task *run_with(const task_options *options, task_fn *fn, void *arg, const char *where) {
    if (!options_are_good(options, fn, arg)) {
        errno = EINVAL;
        return NULL;
    }
    task_options o = *options;
    if (o.pool == NULL) {
        o.pool = vti_self.pool != NULL ? vti_self.pool : task_pool_default();
    }
    if (o.pool == NULL) {
        return NULL; /* errno is set */
    }
    task *t = new_with(&o, fn, arg, where);
    int error = t == NULL ? ENOMEM : submit(t, o.flags);
    if (error == 0) {
        return t;
    }
    if (t != NULL) {
        vti_free(t->extra); /* the argument stays the caller's */
        forget_extra(t);
        vti_block_give(t);
    }
    errno = error;
    return NULL;
}

static COLD task *run_anywhere(task_fn *fn, void *arg, const char *where) {
    const task_options options = TASK_OPTIONS_INIT;
    return run_with(&options, fn, arg, where);
}

/* The way of most: nothing is to be called. A worker belongs to the process that made its pool. */
task *task_run_at(task_fn *fn, void *arg, const char *where) {
    struct worker *w = vti_self.worker;
    if (UNLIKELY(fn == NULL || w == NULL || !vti_block_is_at_hand() || edge_is_watched())) {
        return run_anywhere(fn, arg, where);
    }
    task *t = new_task(PHASE_PRIVATE, fn, arg, w->pool, w->pool->forks, where);
    vti_worker_push(w, &t->job); /* [T1] */
    return t;
}

task *task_run_with_at(const task_options *options, task_fn *fn, void *arg, const char *where) {
    const task_options defaults = TASK_OPTIONS_INIT;
    return run_with(options != NULL ? options : &defaults, fn, arg, where);
}

static task *new_ended(int error, task_value value, const char *where) {
    task *t = vti_task_new(where);
    if (t == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    (void)vti_task_end(t, error, value);
    return t;
}

task *task_from_value_at(task_value v, const char *where) { return new_ended(0, v, where); }

task *task_from_error_at(int error, const char *where) {
    if (error == 0) {
        errno = EINVAL;
        return NULL;
    }
    return new_ended(error, (task_value){.u64 = 0}, where);
}

/* --- looking --- */

static enum task_status outcome(const task *t) { return t->error == 0 ? TASK_SUCCEEDED : TASK_FAILED; }

enum task_status task_status(const task *t) {
    if (t == NULL) {
        errno = EINVAL;
        return TASK_FAILED;
    }
    if (task_has_ended(t)) { /* [T2] */
        return outcome(t);
    }
    switch ((enum task_phase)load_rlx(&t->a_phase)) { /* news of the moment: nothing is carried */
    case PHASE_PRIVATE:
    case PHASE_QUEUED:
    case PHASE_OWN:
        return TASK_QUEUED;
    case PHASE_RUNNING:
        return TASK_RUNNING;
    case PHASE_PENDING:
        break;
    }
    return TASK_PENDING;
}

int task_error(const task *t) {
    if (t == NULL) {
        return EINVAL;
    }
    return task_has_ended(t) ? t->error : EAGAIN; /* [T2] */
}

uint64_t task_id(const task *t) { return t != NULL ? t->id : 0; }
const char *task_name(const task *t) { return t != NULL ? t->name : NULL; }
task *task_current(void) { return vti_self.frame != NULL ? vti_self.frame->task : NULL; }
