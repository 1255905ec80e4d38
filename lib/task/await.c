/* task/await.c: waiting for a task, inside a pool and outside.
 *
 * In order: it has ended; nobody has begun it and this worker may (inline, and it alone: an unrelated task on top of
 * the awaiter's stack could wait for it in turn); the inputs of a when_all, which are what it waits for; a short spin;
 * then this thread sleeps, and on a worker another one works in its place (sched/block.c).
 */
#include <errno.h>
#include <stdio.h>
#include <vtask/task.h>

#include "os/clock.h"
#include "os/event.h"
#include "sched/pool.h"
#include "task/misuse.h"
#include "task/run.h"
#include "task/task.h"
#include "task/when_all.h"

enum { SPIN_NS = 10 * 1000 };

bool vti_spin_until_closed(const waitlist *l) {
    if (vti_self.worker == NULL) {
        return vti_waitlist_give_way(l);
    }
    uint64_t end = vti_clock_ns() + SPIN_NS;
    while (!waitlist_is_closed(l)) {
        if (vti_clock_ns() >= end) {
            return false;
        }
        cpu_relax();
    }
    return true;
}

/* The frames below cannot end before this one does, nor can what waits for one of their tasks. */
bool vti_task_waits_for_me(task *t) {
    for (const struct frame *f = vti_self.frame; f != NULL; f = f->parent) {
        if (f->task == t) {
            return true;
        }
    }
    return vti_when_all_waits_for_me(t);
}

enum { RING_TEXT = 900, RING_ROOM = 260 }; /* bytes; of the whole, and of one member at the most */

static size_t name_task(char *text, size_t at, const char *before, const task *t) {
    if (at + RING_ROOM > RING_TEXT) {
        return at; /* a long ring: its first members must do */
    }
    at += (size_t)snprintf(text + at, RING_TEXT - at, "%s task %llu", before, (unsigned long long)t->id);
    if (t->name != NULL) {
        at += (size_t)snprintf(text + at, RING_TEXT - at, " '%.80s'", t->name);
    }
    return at + (size_t)snprintf(text + at, RING_TEXT - at, " (made at %.80s)", t->where != NULL ? t->where : "?");
}

/* From the task that awaits down to the one it awaits, each waits for the one before it. */
static void name_ring(const task *t, char *text) {
    const task *last = task_current();
    size_t at = name_task(text, 0, " The ring:", t);
    for (const struct frame *f = vti_self.frame; f != NULL && last != NULL; f = f->parent) {
        if (f->task == last && f == vti_self.frame) {
            at = name_task(text, at, ", awaited by", last);
        } else if (f->task != NULL && f->task != last) {
            last = f->task;
            at = name_task(text, at, ", itself awaited by", last);
        }
        if (last == t) {
            break;
        }
    }
    (void)snprintf(text + at, RING_TEXT - at, ". A task cannot wait for its own work.");
}

int vti_refuse_cycle(task *t, const char *call, const char *where) {
    char ring[RING_TEXT];
    name_ring(t, ring);
    struct misuse m = {.code = VTASK_E_CYCLE, .call = call, .where = where, .origin = t->where, .detail = ring};
    vti_misuse_report(&m);
    return VTASK_E_CYCLE;
}

static bool is_private(const task *t) {
    struct worker *w = vti_self.worker;
    return w != NULL && w->pool == t->pool && load_rlx(&t->a_phase) == PHASE_PRIVATE; /* a hint */
}

enum { FETCH_MOST = 4096 };

/* What another worker keeps private cannot be claimed from here: it shares it when asked, and of one who is silent the
 * oldest are fetched until it is among them. A thread in this one's place would not do: it may find other work first. */
static bool run_after_all(task *t) {
    for (int i = 0; i < FETCH_MOST && is_private(t) && vti_worker_fetch(vti_self.worker, &t->job); i++) {
    }
    return vti_task_try_run_inline(t);
}

int vti_task_wait(task *t, const char *where) {
    if (task_has_ended(t) || vti_task_try_run_inline(t)) { /* [T2] */
        return 0;
    }
    if (vti_task_waits_for_me(t)) {
        return vti_refuse_cycle(t, "task_await", where);
    }
    vti_when_all_run_inputs(t);
    if (is_private(t)) {
        vti_worker_ask(vti_self.worker, &t->job);
    }
    if (vti_spin_until_closed(&t->waiters) || run_after_all(t)) { /* [T2] */
        return 0;
    }
    if (vti_task_was_left_behind(t)) {
        return VTASK_E_FORKED;
    }
    int error = vti_block_begin();
    if (error == 0) {
        vti_waitlist_wait(&t->waiters); /* [T2] */
        vti_block_end();
    }
    return error;
}

/* The calling worker's newest job, as most tasks are that are awaited. */
static inline bool try_run_newest(task *t) {
    struct worker *w = vti_self.worker;
    bool taken = w != NULL && !edge_is_watched() && worker_has_stack(w) && vti_worker_take_back_newest(w, &t->job);
    if (LIKELY(taken)) {
        vti_task_run_private(w, t, vti_self.frame);
    }
    return taken;
}

int task_await_at(task *t, task_value *result, const char *where) {
    if (t == NULL) {
        return EINVAL;
    }
    int error = try_run_newest(t) ? 0 : vti_task_wait(t, where);
    if (error == 0) {
        error = t->error;
        if (error == 0 && result != NULL) {
            *result = t->value;
        }
    }
    return error;
}

int task_join_at(task *t, task_value *result, const char *where) {
    int error = task_await_at(t, result, where);
    task_release(t);
    return error;
}

/* A place at the end of the pool's queue: whoever dequeues it lets the task that yielded go on. */
struct turn {
    struct job job;
    struct event event;
};

static void turn_run(struct job *job) { vti_event_set(&container_of(job, struct turn, job)->event); }

static bool turn_is_dead(struct job *job) {
    (void)job;
    return false;
}

static const struct job_kind turn_kind = {turn_run, turn_is_dead, NULL}; /* in the inbox from the start */

int task_yield(void) {
    struct worker *w = vti_self.worker;
    if (w == NULL || (vti_children_publish(w, UINT32_MAX), !vti_pool_has_work(w->pool))) {
        vti_thread_give_way();
        return 0;
    }
    int error = vti_block_begin();
    if (error == 0) {
        struct turn turn = {{.kind = &turn_kind}, EVENT_INIT};
        vti_worker_empty_ring(w); /* what this worker has queued comes first */
        vti_pool_inbox(w->pool, &turn.job);
        vti_event_wait(&turn.event);
        vti_block_end();
    }
    return error;
}
