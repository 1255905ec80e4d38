/* task/task.c: tasks: made, run, ended, released. The words are described in task/task.h. */
#include "task/task.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "sched/pool.h"

static bool task_drop_if_dead(struct job *job);
static void task_run_job(struct job *job);
static void task_share(struct job *job);
static const struct job_kind task_kind = {task_run_job, task_drop_if_dead, task_share};

static task *task_of(struct job *job) { return container_of(job, task, job); }

task *vti_task_new(const char *where) {
    uint64_t id = 0;
    task *t = vti_block_take(&id);
    if (t == NULL) {
        return NULL;
    }
    t->job.kind = &task_kind;
    store_rlx(&t->a_references, 1u);                 /* nobody else knows it yet */
    store_rlx(&t->a_phase, (uint32_t)PHASE_PENDING); /* whoever is handed the task gets it by that edge */
    store_rlx(&t->waiters, NULL);
    t->fn = NULL;
    t->arg = NULL;
    t->value.u64 = 0;
    t->error = 0;
    t->forks = vti_fork_count();
    t->id = id;
    t->name = NULL;
    t->where = where;
    t->pool = NULL;
    t->extra = NULL;
    t->destroy = NULL;
    return t;
}

bool vti_task_end(task *t, int error, task_value value) {
    t->value = value;
    t->error = error;
    return vti_waitlist_close(&t->waiters); /* [T2] */
}

task *task_retain(task *t) {
    if (t != NULL) {
        (void)add_rlx(&t->a_references, 1u); /* the caller's own reference keeps it; nothing is carried */
    }
    return t;
}

/* The last reference is never given up by counting down: its holder, who is alone, frees the task or leaves it. */
void task_release(task *t) {
    if (t == NULL) {
        return;
    }
    uint32_t references = load_acq(&t->a_references); /* [T3] */
    while (references != 1) {
        if (cas_acqrel(&t->a_references, &references, references - 1)) { /* [T3] */
            return;
        }
    }
    if (t->fn != NULL && !task_has_ended(t) && vti_waitlist_hand_over(&t->waiters)) {
        return; /* its runner releases it */
    }
    if (t->destroy != NULL) {
        t->destroy(t);
    }
    vti_block_give(t);
}

static bool claim(task *t, enum task_phase from) {
    uint32_t phase = from;
    return load_rlx(&t->a_phase) == phase && cas_acqrel(&t->a_phase, &phase, (uint32_t)PHASE_RUNNING); /* [T1] */
}

static void free_argument(task *t) {
    struct task_extra *extra = t->extra;
    if (extra != NULL && extra->free_arg != NULL) {
        extra->free_arg(t->arg);
    }
}

/* Runs a task that the caller has claimed, on top of `below`. */
static void run(task *t, struct frame *below) {
    struct frame f;
    task_value value = {.u64 = 0};
    if (vti_self.worker != NULL) {
        bump_owner(&vti_self.worker->a_jobs, 1);
    }
    frame_enter(&f, below, t, t->where);
    int error = t->fn(t->arg, &value);
    free_argument(t);
    frame_ended(&f);
    frame_leave(&f, below);
    if (vti_task_end(t, error, value)) {
        task_release(t); /* nobody wanted to see the end */
    }
}

static void task_share(struct job *job) { store_rel(&task_of(job)->a_phase, (uint32_t)PHASE_QUEUED); } /* [T1] */

/* The caller has taken the task from a private end, or not: then it is nobody's. */
static bool claim_private(task *t) {
    bool private = load_rlx(&t->a_phase) == PHASE_PRIVATE; /* whoever gave it to the caller carried it */
    if (private) {
        store_rlx(&t->a_phase, (uint32_t)PHASE_RUNNING); /* the caller's alone; for who asks: carries nothing */
    }
    return private;
}

static void task_run_job(struct job *job) {
    task *t = task_of(job);
    if (claim_private(t) || claim(t, PHASE_QUEUED) || claim(t, PHASE_OWN)) {
        run(t, NULL);
    } else {
        task_release(t); /* the stale entry's */
    }
}

static bool task_drop_if_dead(struct job *job) {
    task *t = task_of(job);
    bool dead = load_rlx(&t->a_phase) == PHASE_RUNNING; /* decides nothing but who drops the reference */
    if (dead) {
        task_release(t); /* the stale entry's */
    }
    return dead;
}

/* The entry stays behind in its queue, stale, with a reference, which it has before anybody can find it stale. */
static bool claim_in_queue(task *t) {
    if (load_rlx(&t->a_phase) != PHASE_QUEUED) { /* a hint */
        return false;
    }
    (void)task_retain(t);
    bool claimed = claim(t, PHASE_QUEUED);
    if (!claimed) {
        task_release(t);
    }
    return claimed;
}

bool vti_task_try_run_inline(task *t) {
    struct worker *w = vti_self.worker;
    if (w == NULL || t->pool != w->pool || !worker_has_stack(w)) {
        return false;
    }
    bool private = load_rlx(&t->a_phase) == PHASE_PRIVATE && vti_worker_take_back(w, &t->job) && claim_private(t);
    if (!private && !claim_in_queue(t)) {
        return false;
    }
    run(t, vti_self.frame);
    return true;
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

static int add_extra(task *t, const task_options *o, void *arg) {
    t->arg = arg;
    if (o->free_arg == NULL && o->free_value == NULL && o->arg_size == 0) {
        return 0;
    }
    struct task_extra *extra = vti_alloc(EXTRA_SIZE + o->arg_size);
    if (extra == NULL) {
        return ENOMEM;
    }
    extra->free_arg = o->free_arg;
    extra->free_value = o->free_value;
    t->extra = extra;
    t->destroy = destroy_extra;
    if (o->arg_size > 0) {
        t->arg = (char *)extra + EXTRA_SIZE;
        memcpy(t->arg, arg, o->arg_size);
    }
    return 0;
}

static bool options_are_good(const task_options *o, task_fn *fn, const void *arg) {
    return fn != NULL && o->size == sizeof *o && (o->flags & ~TASK_LONG_RUNNING) == 0 &&
           (o->arg_size == 0 || (arg != NULL && o->arg_size <= PTRDIFF_MAX / 2));
}

static task *new_task(const task_options *o, task_fn *fn, void *arg, const char *where) {
    task *t = vti_task_new(where);
    if (t == NULL) {
        return NULL;
    }
    if (add_extra(t, o, arg) != 0) {
        vti_block_give(t);
        return NULL;
    }
    t->fn = fn;
    t->name = o->name;
    t->pool = o->pool;
    return t;
}

static int submit(task *t, unsigned flags) {
    bool own = (flags & TASK_LONG_RUNNING) != 0;
    struct worker *w = vti_self.worker;
    if (LIKELY(!own && w != NULL && w->pool == t->pool)) {
        store_rlx(&t->a_phase, (uint32_t)PHASE_PRIVATE); /* the private end's edge carries it [T1] */
        vti_worker_push(w, &t->job);
        return 0;
    }
    store_rlx(&t->a_phase, (uint32_t)(own ? PHASE_OWN : PHASE_QUEUED)); /* the queue's edge carries it [T1] */
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
    task *t = new_task(&o, fn, arg, where);
    int error = t == NULL ? ENOMEM : submit(t, o.flags);
    if (error == 0) {
        return t;
    }
    if (t != NULL) {
        vti_free(t->extra); /* the argument stays the caller's */
        vti_block_give(t);
    }
    errno = error;
    return NULL;
}

task *task_run_at(task_fn *fn, void *arg, const char *where) {
    const task_options options = TASK_OPTIONS_INIT;
    return run_with(&options, fn, arg, where);
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
