/* task/when_each.c: a loop over tasks in the order in which they end, O(n) in all.
 *
 * Each input that ends puts itself into a queue under a lock and wakes the caller if it sleeps. The state is on the
 * heap and counted: a loop that is stopped removes its waiters, and one that is being fired at that moment may come
 * later than the caller's return.
 */
#include <errno.h>
#include <vtask/when.h>

#include "base/alloc.h"
#include "os/event.h"
#include "os/thread.h"
#include "sched/pool.h"
#include "task/task.h"
#include "task/when_all.h"

struct each_input {
    struct waiter waiter;
    struct when_each *each;
    task *task;              /* retained */
    struct each_input *next; /* in the queue */
    bool registered;         /* the caller's */
};

struct when_each {
    atomic_u64 a_users; /* the caller, and each waiter that is neither fired nor removed */
    os_mutex lock;      /* guards the queue and `sleeper` */
    struct each_input *first, **last;
    struct event *sleeper;
    size_t n;
    struct each_input inputs[];
};

static void drop(struct when_each *each) {
    if (sub_acqrel(&each->a_users, (uint64_t)1) == 1) {
        for (size_t i = 0; i < each->n; i++) {
            task_release(each->inputs[i].task);
        }
        vti_mutex_fini(&each->lock);
        vti_free(each);
    }
}

static void enqueue(struct each_input *input) {
    struct when_each *each = input->each;
    vti_mutex_lock(&each->lock);
    input->next = NULL;
    *each->last = input;
    each->last = &input->next;
    struct event *sleeper = each->sleeper;
    each->sleeper = NULL;
    vti_mutex_unlock(&each->lock);
    if (sleeper != NULL) {
        vti_event_set(sleeper); /* it waits for this, so it is there */
    }
}

static void fire(struct waiter *w) {
    struct each_input *input = container_of(w, struct each_input, waiter);
    struct when_each *each = input->each;
    enqueue(input);
    drop(each);
}

static struct each_input *dequeue(struct when_each *each, struct event *sleeper) {
    vti_mutex_lock(&each->lock);
    struct each_input *input = each->first;
    if (input != NULL) {
        each->first = input->next;
        if (each->first == NULL) {
            each->last = &each->first;
        }
    } else {
        each->sleeper = sleeper;
    }
    vti_mutex_unlock(&each->lock);
    return input;
}

static struct when_each *new_state(task *const tasks[], size_t n) {
    struct when_each *each = n > (SIZE_MAX / 2 - sizeof *each) / sizeof each->inputs[0]
                                 ? NULL
                                 : vti_alloc(sizeof *each + n * sizeof each->inputs[0]);
    if (each != NULL) {
        each->n = n;
        each->last = &each->first;
        store_rlx(&each->a_users, (uint64_t)n + 1); /* nobody else knows it yet */
        vti_mutex_init(&each->lock);
        for (size_t i = 0; i < n; i++) {
            each->inputs[i] = (struct each_input){{NULL, NULL, fire}, each, task_retain(tasks[i]), NULL, false};
        }
    }
    return each;
}

static void register_all(struct when_each *each) {
    for (size_t i = 0; i < each->n; i++) {
        struct each_input *input = &each->inputs[i];
        input->registered = vti_waitlist_add(&input->task->waiters, &input->waiter);
        if (!input->registered) {
            enqueue(input);
            drop(each);
        }
    }
}

static void unregister_all(struct when_each *each) {
    for (size_t i = 0; i < each->n; i++) {
        struct each_input *input = &each->inputs[i];
        if (input->registered && vti_waitlist_remove(&input->task->waiters, &input->waiter)) {
            drop(each);
        }
    }
}

/* Runs inputs that nobody has begun until one of any has ended; *next goes over all of them once. */
static struct each_input *run_some(struct when_each *each, size_t *next) {
    struct each_input *input = NULL;
    while (*next < each->n && (input = dequeue(each, NULL)) == NULL) {
        task *t = each->inputs[(*next)++].task;
        if (!vti_task_try_run_inline(t)) {
            vti_when_all_run_inputs(t);
        }
    }
    return input;
}

/* The next that has ended; NULL: *error is the code of a wait that failed. */
static struct each_input *next_ended(struct when_each *each, size_t *next, int *error) {
    struct each_input *input = run_some(each, next);
    struct event event = EVENT_INIT;
    if (input == NULL) {
        input = dequeue(each, NULL);
    }
    if (input != NULL) {
        return input;
    }
    *error = vti_block_begin();
    if (*error != 0) {
        return NULL;
    }
    input = dequeue(each, &event);
    if (input == NULL) {
        vti_event_wait(&event);
        input = dequeue(each, NULL);
    }
    vti_block_end();
    return input;
}

static int loop(struct when_each *each, when_each_fn *fn, void *context) {
    size_t next = 0;
    int error = 0;
    for (size_t i = 0; i < each->n && error == 0; i++) {
        struct each_input *input = next_ended(each, &next, &error);
        if (input != NULL) {
            error = fn(context, (size_t)(input - each->inputs), input->task);
        }
    }
    return error;
}

/* 0, or why it cannot be awaited from here. */
static int check(task *const tasks[], size_t n, const char *where) {
    for (size_t i = 0; i < n; i++) {
        if (tasks[i] == NULL) {
            return EINVAL;
        }
        if (vti_task_was_left_behind(tasks[i])) {
            return VTASK_E_FORKED;
        }
    }
    for (size_t i = 0; vti_self.frame != NULL && i < n; i++) {
        if (!task_has_ended(tasks[i]) && vti_task_waits_for_me(tasks[i])) {
            return vti_refuse_cycle(tasks[i], "when_each", where);
        }
    }
    return 0;
}

int when_each_at(task *const tasks[], size_t n, when_each_fn *fn, void *context, const char *where) {
    if (fn == NULL || (tasks == NULL && n > 0)) {
        return EINVAL;
    }
    int error = check(tasks, n, where);
    if (error != 0 || n == 0) {
        return error;
    }
    struct when_each *each = new_state(tasks, n);
    if (each == NULL) {
        return ENOMEM;
    }
    register_all(each);
    error = loop(each, fn, context);
    unregister_all(each);
    drop(each);
    return error;
}
