/* task/when_any.c: a task that ends when the first of its inputs has; the losers are let go at once.
 *
 * The state counts who may still touch it: one for the call that registers, one for each waiter that is registered and
 * neither fired nor removed. `a_winner` is decided by one CAS. The losers' waiters are removed by whoever comes second
 * of the winner and the registering call (`a_gate`, 2 -> 0): before that not all of them are there, after it no
 * waiter is added. So a short task beside one that never ends leaves nothing behind on the long one.
 * [A1] the winner's CAS (acqrel) -> the second at the gate (acqrel): the index; the result's end carries the input's.
 */
#include <errno.h>
#include <vtask/when.h>

#include "base/alloc.h"
#include "task/task.h"

struct any_input {
    struct waiter waiter;
    struct when_any *any;
    task *task;      /* retained */
    bool registered; /* the registering call's; read after the gate */
};

struct when_any {
    task *result;
    size_t n;
    atomic_u64 a_users;
    atomic_u32 a_winner; /* 0: none; else 1 */
    atomic_u32 a_gate;
    struct any_input inputs[];
};

static void drop(struct when_any *any) {
    if (sub_acqrel(&any->a_users, (uint64_t)1) == 1) {
        for (size_t i = 0; i < any->n; i++) {
            task_release(any->inputs[i].task);
        }
        vti_free(any);
    }
}

/* The winner, and the end of the registration, each pass once; the second lets the losers go. */
static void pass_gate(struct when_any *any) {
    if (sub_acqrel(&any->a_gate, 1u) != 1) { /* [A1] */
        return;
    }
    for (size_t i = 0; i < any->n; i++) {
        struct any_input *input = &any->inputs[i];
        if (input->registered && vti_waitlist_remove(&input->task->waiters, &input->waiter)) {
            drop(any);
        }
    }
}

static void ended(struct when_any *any, size_t index) {
    uint32_t none = 0;
    if (cas_acqrel(&any->a_winner, &none, 1u)) {
        task *result = any->result;
        (void)vti_task_end(result, 0, (task_value){.u64 = index});
        task_release(result); /* the inputs' reference */
        pass_gate(any);
    }
}

static void fire(struct waiter *w) {
    struct any_input *input = container_of(w, struct any_input, waiter);
    ended(input->any, (size_t)(input - input->any->inputs));
    drop(input->any);
}

static struct when_any *new_state(task *const tasks[], size_t n) {
    struct when_any *any = n > (SIZE_MAX / 2 - sizeof *any) / sizeof any->inputs[0]
                               ? NULL
                               : vti_alloc(sizeof *any + n * sizeof any->inputs[0]);
    if (any != NULL) {
        any->n = n;
        store_rlx(&any->a_users, (uint64_t)1); /* nobody else knows it yet */
        store_rlx(&any->a_gate, 2u);
        for (size_t i = 0; i < n; i++) {
            any->inputs[i] = (struct any_input){{NULL, NULL, fire}, any, task_retain(tasks[i]), false};
        }
    }
    return any;
}

static void register_until_one_has_ended(struct when_any *any) {
    for (size_t i = 0; i < any->n && load_acq(&any->a_winner) == 0; i++) {
        struct any_input *input = &any->inputs[i];
        (void)add_rlx(&any->a_users, (uint64_t)1); /* the registering call's own keeps it */
        input->registered = vti_waitlist_add(&input->task->waiters, &input->waiter);
        if (!input->registered) {
            ended(any, i);
            drop(any);
        }
    }
    pass_gate(any);
    drop(any);
}

static bool are_good(task *const tasks[], size_t n) {
    size_t i = 0;
    while (tasks != NULL && i < n && tasks[i] != NULL) {
        i++;
    }
    return n > 0 && i == n;
}

/* Several may have ended already: the lowest index counts. */
static size_t first_ended(task *const tasks[], size_t n) {
    size_t i = 0;
    while (i < n && !task_has_ended(tasks[i])) {
        i++;
    }
    return i;
}

task *when_any_at(task *const tasks[], size_t n, const char *where) {
    if (!are_good(tasks, n)) {
        errno = EINVAL;
        return NULL;
    }
    size_t index = first_ended(tasks, n);
    if (index < n) {
        return task_from_value_at((task_value){.u64 = index}, where);
    }
    task *result = vti_task_new(where);
    struct when_any *any = result != NULL ? new_state(tasks, n) : NULL;
    if (any == NULL) {
        task_release(result);
        errno = ENOMEM;
        return NULL;
    }
    any->result = task_retain(result); /* the inputs' */
    size_t left_behind = 0;
    for (size_t i = 0; i < n; i++) {
        left_behind += vti_task_was_left_behind(tasks[i]);
    }
    if (left_behind == n) {
        result->forks = tasks[0]->forks; /* nor will this one end */
    }
    register_until_one_has_ended(any);
    return result;
}
