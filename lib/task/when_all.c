/* task/when_all.c: a task that ends when all of its inputs have.
 *
 * One counter of inputs that have not ended, plus one for the call that registers; whoever takes it to 0 ends the
 * task. The state belongs to the task (task.extra) and goes with it; the pending inputs hold a reference to the task.
 * An await on a worker may run the inputs: a second counter, `a_users`, keeps their references meanwhile; it holds one
 * for the completion, and whoever takes it to 0 lets the inputs go.
 * [A1] each input's end (acqrel) -> the last one's (acqrel): the task's end carries all of them.
 */
#include "task/when_all.h"

#include <errno.h>
#include <vtask/when.h>

#include "base/alloc.h"
#include "sched/worker.h"
#include "task/task.h"

struct input {
    struct waiter waiter;
    struct when_all *all;
    task *task;
};

struct when_all {
    task *result;
    size_t n;
    atomic_u64 a_pending;
    atomic_u64 a_users;
    struct input inputs[];
};

static int first_error(const struct when_all *all) {
    for (size_t i = 0; i < all->n; i++) {
        if (all->inputs[i].task->error != 0) {
            return all->inputs[i].task->error;
        }
    }
    return 0;
}

static void leave(struct when_all *all) {
    if (sub_acqrel(&all->a_users, (uint64_t)1) == 1) {
        for (size_t i = 0; i < all->n; i++) {
            task_release(all->inputs[i].task);
        }
    }
}

/* False: it has completed, and its inputs may be gone. */
static bool enter(struct when_all *all) {
    uint64_t users = load_acq(&all->a_users);
    while (users != 0 && !cas_acqrel(&all->a_users, &users, users + 1)) {
    }
    return users != 0;
}

static void one_ended(struct when_all *all) {
    if (sub_acqrel(&all->a_pending, (uint64_t)1) == 1) { /* [A1] */
        task *result = all->result;
        int error = first_error(all);
        leave(all);
        (void)vti_task_end(result, error, (task_value){.u64 = 0});
        task_release(result); /* the pending inputs' reference: the state may go with it */
    }
}

static void fire(struct waiter *w) { one_ended(container_of(w, struct input, waiter)->all); }

static void destroy(task *t) { vti_free(t->extra); }

static bool is_when_all(const task *t) { return t->destroy == destroy; }

static struct when_all *new_state(task *const tasks[], size_t n) {
    struct when_all *all = n > (SIZE_MAX / 2 - sizeof *all) / sizeof all->inputs[0]
                               ? NULL
                               : vti_alloc(sizeof *all + n * sizeof all->inputs[0]);
    if (all != NULL) {
        all->n = n;
        store_rlx(&all->a_pending, (uint64_t)n + 1); /* nobody else knows it yet */
        store_rlx(&all->a_users, (uint64_t)1);
        for (size_t i = 0; i < n; i++) {
            all->inputs[i] = (struct input){{NULL, NULL, fire}, all, task_retain(tasks[i])};
        }
    }
    return all;
}

static void register_all(struct when_all *all) {
    for (size_t i = 0; i < all->n; i++) {
        if (!vti_waitlist_add(&all->inputs[i].task->waiters, &all->inputs[i].waiter)) {
            one_ended(all); /* not the last: the registration's own is still to come */
        }
    }
    one_ended(all);
}

static bool has_null(task *const tasks[], size_t n) {
    if (tasks == NULL) {
        return n > 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (tasks[i] == NULL) {
            return true;
        }
    }
    return false;
}

task *when_all_at(task *const tasks[], size_t n, const char *where) {
    if (has_null(tasks, n)) {
        errno = EINVAL;
        return NULL;
    }
    task *result = vti_task_new(where);
    struct when_all *all = result != NULL ? new_state(tasks, n) : NULL;
    if (all == NULL) {
        task_release(result);
        errno = ENOMEM;
        return NULL;
    }
    all->result = task_retain(result); /* the pending inputs' */
    for (size_t i = 0; i < n; i++) {
        if (vti_task_was_left_behind(tasks[i])) {
            result->forks = tasks[i]->forks; /* nor will this one end */
        }
    }
    vti_task_add_extra(result, all, destroy);
    register_all(all);
    return result;
}

/* Both walks below go down through when_alls over when_alls, which may share inputs: a budget bounds them. Beyond it
 * an await waits as for any other task. */
enum { VISITS_MOST = 1024 };

static void run_inputs(task *t, unsigned *visits) {
    struct when_all *all = t->extra;
    if (!is_when_all(t) || !worker_has_stack(vti_self.worker) || !enter(all)) {
        return;
    }
    for (size_t i = 0; i < all->n; i++) {
        task *input = all->inputs[i].task;
        if (!vti_task_try_run_inline(input) && !task_has_ended(input) && *visits > 0) {
            --*visits;
            run_inputs(input, visits);
        }
    }
    leave(all);
}

void vti_when_all_run_inputs(task *t) {
    unsigned visits = VISITS_MOST;
    if (vti_self.worker != NULL) {
        run_inputs(t, &visits);
    }
}

static bool is_below(const task *t) {
    const struct frame *f = vti_self.frame;
    while (f != NULL && f->task != t) {
        f = f->parent;
    }
    return f != NULL;
}

static bool input_waits_for_me(task *t, unsigned *visits) {
    struct when_all *all = t->extra;
    bool waits = false;
    if (!is_when_all(t) || (vti_self.worker != NULL && !worker_has_stack(vti_self.worker)) || !enter(all)) {
        return false;
    }
    for (size_t i = 0; i < all->n && !waits && *visits > 0; i++) {
        --*visits;
        waits = is_below(all->inputs[i].task) || input_waits_for_me(all->inputs[i].task, visits);
    }
    leave(all);
    return waits;
}

bool vti_when_all_waits_for_me(task *t) {
    unsigned visits = VISITS_MOST;
    return vti_self.frame != NULL && input_waits_for_me(t, &visits);
}
