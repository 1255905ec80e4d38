/* task/misuse.c: reports of what a caller did wrong, in words and as a structure. */
#include "task/misuse.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/options.h"
#include "os/thread.h"
#include "sched/worker.h"
#include "task/task.h"

enum { NAMES = 1024, NAME_SIZE = 56, TEXT_SIZE = 2048 };

/* The names of tasks that consumed a value-task lately, by id: copies, since a name may go with its task. */
static struct {
    os_mutex lock;
    struct {
        atomic_u64 a_id; /* read without the lock by its own task only, to see that it is there */
        char name[NAME_SIZE];
    } slots[NAMES];
} names = {.lock = OS_MUTEX_INIT};

static void remember(const task *t) {
    uint64_t id = t->id & WHO_TASK_MASK;
    if (load_rlx(&names.slots[id % NAMES].a_id) != id) { /* nobody else stores this id; nothing is carried */
        vti_mutex_lock(&names.lock);
        (void)snprintf(names.slots[id % NAMES].name, NAME_SIZE, "%s", t->name);
        store_rlx(&names.slots[id % NAMES].a_id, id);
        vti_mutex_unlock(&names.lock);
    }
}

/* The name of the task in name[], or NULL. */
static const char *recall(uint64_t id, char name[NAME_SIZE]) {
    vti_mutex_lock(&names.lock);
    bool known = id != 0 && load_rlx(&names.slots[id % NAMES].a_id) == id; /* the lock carries the name */
    if (known) {
        (void)snprintf(name, NAME_SIZE, "%s", names.slots[id % NAMES].name);
    }
    vti_mutex_unlock(&names.lock);
    return known ? name : NULL;
}

_Thread_local uint64_t vti_who_thread;
__thread uint64_t vtask_who_v1;

uint64_t vti_who(void) {
    const task *t = task_current();
    if (t != NULL && t->name != NULL) {
        remember(t);
    }
    vti_who_thread = (uint64_t)vti_thread_id() << WHO_TASK_BITS;
    if (t == NULL && vti_self.pool == NULL) {
        vtask_who_v1 = vti_who_thread; /* for ever: the pool's tasks run on threads of its own */
    }
    return vti_who_thread | (task_id(t) & WHO_TASK_MASK);
}

/* The hook is two words, so a lock; reports are rare. */
static struct {
    os_mutex lock;
    vt_misuse_fn *fn;
    void *context;
} hook = {OS_MUTEX_INIT, NULL, NULL};

/* The threads that held them are not in the child of a fork, and its only thread is another one. */
static void in_fork_child(void) {
    vti_who_thread = vtask_who_v1 = 0;
    vti_mutex_init(&hook.lock);
    vti_mutex_init(&names.lock);
}

__attribute__((constructor)) static void watch_forks(void) { vti_at_fork_child(in_fork_child); }

void vt_on_misuse(vt_misuse_fn *fn, void *context) {
    vti_mutex_lock(&hook.lock);
    hook.fn = fn;
    hook.context = context;
    vti_mutex_unlock(&hook.lock);
}

static const char *code_name(int code) {
    switch (code) {
#define NAME(name, offset, text) \
    case name:                   \
        return #name;
        VTASK_ERRORS(NAME)
#undef NAME
    default:
        return "EINVAL";
    }
}

/* " by thread 7, task 12 'name'", as far as known. */
static void describe(char *text, size_t size, uint64_t thread, uint64_t id, const char *name) {
    int n = thread == 0 ? 0 : snprintf(text, size, " by thread %llu", (unsigned long long)thread);
    if (id != 0) {
        n += snprintf(text + n, size - (size_t)n, ", task %llu", (unsigned long long)id);
    }
    if (name != NULL) {
        n += snprintf(text + n, size - (size_t)n, " '%.80s'", name);
    }
    text[n] = '\0';
}

static const char *words_of(const struct misuse *m) {
    if (m->words != NULL) {
        return m->words;
    }
    return m->code < VTASK_E_BASE ? "a NULL where an object is needed" : vtask_strerror(m->code);
}

static void write_text(const vt_misuse *r, const struct misuse *m, char *text, size_t size) {
    char by[160], first_by[160], first[400] = "", origin[300] = "";
    describe(by, sizeof by, r->thread, r->task, r->task_name);
    describe(first_by, sizeof first_by, r->first_thread, r->first_task, r->first_task_name);
    if (r->first_where != NULL) {
        const char *what = r->code == VT_E_NOT_OWNER ? "forked" : "first used";
        (void)snprintf(first, sizeof first, " It was %s at %.200s%s.", what, r->first_where, first_by);
    }
    if (r->origin != NULL) {
        (void)snprintf(origin, sizeof origin, " Its task or source was made at %.200s.", r->origin);
    }
    (void)snprintf(text, size, "vtask: %s at %.200s%s: %s: %s.%s%s%s", m->call, r->where != NULL ? r->where : "?", by,
                   code_name(r->code), words_of(m), first, origin, m->detail != NULL ? m->detail : "");
}

static void tell(const vt_misuse *report, enum misuse_mode mode) {
    vti_mutex_lock(&hook.lock);
    vt_misuse_fn *fn = hook.fn;
    void *context = hook.context;
    vti_mutex_unlock(&hook.lock);
    if (fn != NULL) {
        fn(report, context);
    } else if (mode != MISUSE_QUIET) {
        (void)fprintf(stderr, "%s\n", report->text);
    }
    if (mode == MISUSE_ABORT) {
        abort();
    }
}

void vti_misuse_report(const struct misuse *m) {
    char text[TEXT_SIZE], first_name[NAME_SIZE];
    const task *current = task_current();
    uint64_t first_task = m->first & WHO_TASK_MASK;
    vt_misuse report = {
        .code = m->code,
        .where = m->where,
        .first_where = m->first_where,
        .thread = vti_thread_id(),
        .first_thread = m->first >> WHO_TASK_BITS,
        .task = task_id(current),
        .first_task = first_task,
        .task_name = task_name(current),
        .first_task_name = recall(first_task, first_name),
        .origin = m->origin,
        .text = text,
    };
    write_text(&report, m, text, sizeof text);
    tell(&report, vti_options().misuse);
}
