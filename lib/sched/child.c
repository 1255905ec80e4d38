/* sched/child.c: fork and join beyond the inlined half: children that are stolen, published, or out of order.
 *
 *   plain field     PRIVATE, LONE             taken or PUBLISHED, WAITING   RUNNING      DONE
 *   at              its slot, or NULL: it has none (LONE, or the private end was full)
 *   with            nobody                    PUBLISHED: the ticket         its frame    nobody
 *   value           nobody                    the thief                     nobody       the owner
 *   owner, fn, arg: written at the fork, then read only; where: so, too, and once more at the join
 *
 * Who runs a child is decided by the boundary of its worker's private end (sched/private.h), and once it is published by
 * its ticket (sched/ticket.h). The word says when a thief has ended it (sched/childword.h). A child keeps its slot until its
 * join, so that a frame has joined its children when bottom is where it was.
 */
#include "sched/child.h"

#include <errno.h>
#include <vtask/error.h>

#include "base/assert.h"
#include "os/clock.h"
#include "os/futex.h"
#include "sched/childword.h"
#include "sched/pool.h"
#include "sched/request.h"
#include "sched/ticket.h"

_Static_assert(sizeof(vt_child) <= 64, "a child takes a cache line at most");
_Static_assert((CHILD_PRIVATE | CHILD_TAG) == VTASK_CHILD_PRIVATE, "what inlined code writes");
_Static_assert((CHILD_JOINED | CHILD_TAG) == VTASK_CHILD_JOINED, "what inlined code writes");

enum {
    PUBLISH_MOST = 4096,  /* children offered at one request */
    PUBLISH_ENOUGH = 128, /* on the ring: the request is met */
    JOIN_SPIN_NS = 10 * 1000,
};

/* The half of the word that holds the state: what its owner sleeps on. */
static const uint32_t *state_half(const vt_child *c) {
    return (const uint32_t *)(const void *)&c->word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* Who may join: what runs on this worker, or this thread's frame, or this thread. */
static bool is_typed(const vt_child *c) { return ((uintptr_t)c->owner & 1) != 0; }
static void *owner_of(const vt_child *c) { return (char *)c->owner - is_typed(c); }

static void *identity(void) {
    if (vti_self.worker != NULL) {
        return vti_self.worker->private.inlined.identity;
    }
    return vti_self.frame != NULL ? (void *)&vti_self.frame->self : (void *)&vti_self;
}

/* Of a typed child it is the child. */
static void *argument_of(vt_child *c) { return is_typed(c) ? c : c->arg; }

static int no_function(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    return EINVAL;
}

/* --- thieves --- */

/* Runs a child that is the caller's alone. */
static void run_stolen(vt_child *c) {
    struct worker *w = vti_self.worker;
    struct frame *owner = *(void **)owner_of(c), f; /* no frame: forked by a callback of the user's */
    const uint32_t *sleeping_on = state_half(c);
    task_value value = {.u64 = 0};
    bump_owner(&w->a_jobs, 1);
    frame_enter(w, &f, owner, owner != NULL ? owner->task : NULL, owner != NULL ? owner->where : &c->where);
    int error = c->fn(argument_of(c), &value);
    frame_ended(w, &f);
    frame_leave(w, &f, NULL);
    c->value = value;
    if (childword_end(&c->word, error)) { /* [C1] [C2] */
        vti_futex_wake(sleeping_on, 1);
    }
}

static void taken_run(struct job *job) {
    (void)job;
    run_stolen(vti_self.worker->taken.child);
}

const struct job_kind vti_taken_kind = {taken_run, NULL, NULL}; /* run at once, never queued */

static struct ticket *ticket_of(struct job *job) { return container_of(job, struct ticket, job); }

/* The list a ticket goes home to; NULL on a thread that is no worker. */
static struct freelist *own_tickets(void) { return vti_self.worker != NULL ? &vti_self.worker->tickets : NULL; }

static void ticket_run(struct job *job) {
    vt_child *c = ticket_claim_thief(&ticket_of(job)->a_child);
    vti_freelist_give_any(own_tickets(), ticket_of(job));
    if (c != NULL) {
        run_stolen(c);
    }
}

static bool ticket_drop_if_dead(struct job *job) {
    bool dead = load_acq(&ticket_of(job)->a_child) == NULL;
    if (dead) {
        vti_freelist_give_any(own_tickets(), ticket_of(job));
    }
    return dead;
}

static const struct job_kind ticket_kind = {ticket_run, ticket_drop_if_dead, NULL}; /* in the ring from the start */

/* --- publishing --- */

/* Puts a child that is not private any more into the ring; without memory its owner runs it at the join. */
static void publish(struct worker *w, vt_child *c) {
    struct ticket *t = vti_freelist_take_owner(&w->tickets);
    if (t == NULL) {
        store_rlx(&c->word, childword_of(CHILD_LONE)); /* the owner's alone */
        return;
    }
    t->job.kind = &ticket_kind;
    store_rlx(&t->a_child, c); /* the ring's edge carries it [T1] */
    c->with = t;
    store_rlx(&c->word, childword_of(CHILD_PUBLISHED)); /* the ring's edge carries it [T1] */
    vti_worker_push_quietly(w, &t->job);
    bump_owner(&w->a_published, 1);
}

static void share(struct worker *w, struct job *job) {
    job->kind->share(job);
    vti_worker_push_quietly(w, job);
}

enum { GIVE_AT_ONCE = 64 };

/* Takes the oldest out, all of them before anything is queued: a full ring drops dead tasks, and callbacks of the user's
 * may fork and join here. Returns how many slots that were. */
static uint32_t publish_some(struct worker *w, uint32_t most) {
    vt_child *given[GIVE_AT_ONCE];
    vtask_slot *first;
    uint32_t n = private_give_owner(&w->private, most < GIVE_AT_ONCE ? most : GIVE_AT_ONCE, &first);
    for (uint32_t i = 0; i < n; i++) {
        given[i] = VTASK_LOAD(&first[i].child); /* NULL: it was joined out of order */
        if (private_is_job(given[i])) {
            VTASK_STORE(&first[i].child, NULL); /* below top no thief looks */
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (private_is_job(given[i])) {
            share(w, job_in(given[i]));
        } else if (given[i] != NULL) {
            publish(w, given[i]);
        }
    }
    return n;
}

static void publish_quietly(struct worker *w, uint32_t most) {
    uint32_t n;
    do {
        n = publish_some(w, most);
        most -= n;
    } while (n > 0 && most > 0);
}

void vti_children_publish(struct worker *w, uint32_t most) {
    if (private_size_owner(&w->private) > 0) {
        publish_quietly(w, most);
        vti_worker_pushed(w);
    }
}

/* Somebody asks: the oldest half. */
static void answer(struct worker *w) {
    uint32_t half = (private_size_owner(&w->private) + 1) / 2;
    if (half > 0) {
        publish_quietly(w, half < PUBLISH_MOST ? half : PUBLISH_MOST);
    }
    vti_worker_pushed(w);
    request_met_owner(&w->private, &w->pool->idle, vti_ring_size(&w->ring) >= PUBLISH_ENOUGH);
}

static void answer_if_asked(struct worker *w) {
    if (UNLIKELY(private_is_asked(&w->private))) {
        answer(w);
    }
}

/* --- jobs --- */

/* Where the innermost frame of the calling worker began. */
static const vtask_slot *floor_of(struct private_end *p) {
    return vti_self.frame != NULL ? vti_self.frame->bottom : p->slots;
}

/* Frees the slots of what was taken or given, where none that is needed lies above them. */
static void tidy(struct private_end *p) { private_tidy_owner(p, private_lock_owner(p), floor_of(p)); }

/* The private end is full: the newest goes into the ring, behind all others. It is taken out first: callbacks of the
 * user's that run meanwhile find the last slot free. */
static void push_job_outside(struct worker *w) {
    struct private_end *p = &w->private;
    vtask_slot *at = p->slots + PRIVATE_SLOTS;
    struct job *job = job_in(at->child);
    bool private = private_remove_owner(p, at, floor_of(p));
    vti_children_publish(w, UINT32_MAX);
    tidy(p);
    if (private) {
        share(w, job);
        vti_worker_pushed(w);
    }
}

COLD void vti_worker_pushed_private(struct worker *w) {
    if (private_bottom(&w->private) > PRIVATE_SLOTS) {
        push_job_outside(w);
    }
    answer_if_asked(w);
}

/* Takes what is in the slot back: by a pop if it is the newest. */
static bool take_back(struct worker *w, vtask_slot *at) {
    struct private_end *p = &w->private;
    if (LIKELY(at >= floor_of(p) && vtask_pop(&p->inlined, at, at->child))) {
        return true;
    }
    bool taken_back = private_remove_owner(p, at, floor_of(p));
    answer_if_asked(w);
    return taken_back;
}

struct job *vti_worker_pop(struct worker *w) {
    struct private_end *p = &w->private;
    while (p->inlined.bottom > p->slots) {
        vtask_slot *at = p->inlined.bottom - 1;
        struct vt_child *c = at->child;
        if (UNLIKELY(c != NULL && !private_is_job(c))) {
            vti_die_of_unjoined(NULL, *vtask_slot_where(at));
        }
        if (take_back(w, at) && c != NULL) {
            return job_in(c);
        }
    }
    return NULL;
}

bool vti_worker_take_back_any(struct worker *w, struct job *job) {
    struct private_end *p = &w->private;
    vtask_slot *at = VTASK_LOAD(&job->at);
    return at >= p->slots && at < p->inlined.bottom && at->child == slot_of(job) && take_back(w, at);
}

/* The other worker whose private end the job says it is in; NULL: none. */
static struct worker *holder_of(const struct worker *w, const struct job *job) {
    uint32_t threads = load_acq(&w->pool->a_threads); /* carries workers[] */
    const vtask_slot *at = load_rlx(&job->at);        /* a hint */
    for (uint32_t i = 0; i < threads; i++) {
        struct worker *other = w->pool->workers[i];
        if (other != w && at >= other->private.slots && at < other->private.slots + PRIVATE_SLOTS) {
            return other;
        }
    }
    return NULL;
}

void vti_worker_ask(struct worker *w, const struct job *job) {
    struct worker *holder = holder_of(w, job);
    if (holder != NULL) {
        (void)private_ask_any(&holder->private);
    }
}

/* Publishes a child that was taken from another worker's private end. Its owner may be at its join by now. */
static void publish_taken(struct worker *w, struct ticket *t, vt_child *c) {
    const uint32_t *sleeping_on = state_half(c);
    t->job.kind = &ticket_kind;
    store_rlx(&t->a_child, c); /* [C3] carries it to the owner, the ring's edge to a thief [T1] */
    c->with = t;
    if (childword_publish_taken(&c->word)) { /* [C2] [C3] */
        vti_futex_wake(sleeping_on, 1);
    }
    vti_worker_push_quietly(w, &t->job);
}

/* It is not begun here: that would put it on top of what this worker does. */
bool vti_worker_fetch(struct worker *w, const struct job *job) {
    struct worker *holder = holder_of(w, job);
    struct ticket *t = holder != NULL ? vti_freelist_take_owner(&w->tickets) : NULL; /* before there is something for it */
    vt_child *c = t != NULL ? private_take_any(&holder->private, true) : NULL;
    if (t != NULL && (c == NULL || private_is_job(c))) {
        vti_freelist_give_any(&w->tickets, t);
    }
    if (c == NULL) {
        return false;
    }
    if (private_is_job(c)) {
        share(w, job_in(c));
    } else {
        publish_taken(w, t, c);
    }
    vti_worker_pushed(w);
    return true;
}

/* --- fork --- */

static void count_outside(const char *where) {
    if (vti_self.frame != NULL) {
        vti_self.frame->outside++;
        vti_self.frame->last_fork = where;
    }
}

/* The private end is full: the newest goes into the ring. */
static void push_outside(struct worker *w, vt_child *c) {
    bool private = private_remove_owner(&w->private, c->at, floor_of(&w->private));
    c->at = NULL;
    count_outside(c->where);
    if (private) {
        publish(w, c);
        vti_worker_pushed(w);
    }
}

void vt_child_pushed(vt_child *c) {
    struct worker *w = vti_self.worker;
    if (private_bottom(&w->private) > PRIVATE_SLOTS) {
        push_outside(w, c);
    }
    answer_if_asked(w);
}

void vti_child_fork(vt_child *c, task_fn *fn, void *arg, const char *where) {
    fn = fn != NULL ? fn : no_function;
    if (vtask_worker_v1 != NULL) {
        edge_release(&vtask_worker_v1->bottom); /* [V1] */
        vtask_fork(c, fn, arg, where);
        return;
    }
    *c = (vt_child){.word = childword_of(CHILD_LONE), .fn = fn, .arg = arg, .owner = identity(), .where = where};
    count_outside(where);
}

void vt_child_left(void *bottom) {
    if (vti_self.worker == NULL) { /* the child of a fork() that came in between: no thief has come with it */
        return;
    }
    struct private_end *p = &vti_self.worker->private;
    for (vtask_slot *at = bottom; at < p->inlined.bottom; at++) {
        if (at->child != NULL && !private_is_job(at->child)) {
            vti_die_of_unjoined(vti_self.frame, *vtask_slot_where(at));
        }
    }
    tidy(p);
}

/* --- join --- */

static int run_here(vt_child *c) {
    struct worker *w = vti_self.worker;
    struct frame *below = vti_self.frame, f;
    task_value value = {.u64 = 0};
    store_rlx(&c->word, childword_of(CHILD_RUNNING)); /* for who must not join it; carries nothing */
    frame_enter(w, &f, below, below != NULL ? below->task : NULL, below != NULL ? below->where : &c->where);
    int error = c->fn(argument_of(c), &value);
    frame_ended(w, &f);
    frame_leave(w, &f, below);
    c->value = value;
    return error;
}

static bool changes_soon(vt_child *c, enum child_state now) {
    uint64_t end = vti_clock_ns() + JOIN_SPIN_NS;
    while (childword_look(&c->word) == now && vti_clock_ns() < end) {
        cpu_relax();
    }
    return childword_look(&c->word) != now;
}

static void sleep_until_changed(vt_child *c, enum child_state now) {
    if (childword_wait_owner(&c->word, now)) { /* [C2] */
        while (childword_look(&c->word) == CHILD_WAITING) {
            vti_futex_wait(state_half(c), (uint32_t)childword_of(CHILD_WAITING));
        }
    }
}

static bool claim_ticket(vt_child *c, enum child_state now) {
    return now == CHILD_PUBLISHED && ticket_claim_owner(&((struct ticket *)c->with)->a_child, c);
}

/* Somebody else has it, or will; that must be so if too little stack is left here: where no other thread is to be had, a
 * child that nobody has begun ends unrun with the code that says so. Whoever has begun it is at work on a live thread,
 * and whoever took it to queue it publishes it, which wakes this one: waiting needs no replacement. */
static int join_shared(vt_child *c) {
    enum child_state now;
    while ((now = childword_look(&c->word)) != CHILD_DONE) {
        if (worker_has_stack(vti_self.worker) && claim_ticket(c, now)) {
            return run_here(c);
        }
        if (!changes_soon(c, now)) {
            int error = vti_block_begin();
            if (error != 0 && claim_ticket(c, now)) {
                return error;
            }
            sleep_until_changed(c, now);
            if (error == 0) {
                vti_block_end();
            }
        }
    }
    return childword_error(load_acq(&c->word)); /* [C1] */
}

static int join_of_worker(struct worker *w, vt_child *c) {
    bool mine = false;
    if (UNLIKELY(!worker_has_stack(w))) {
        vti_children_publish(w, UINT32_MAX); /* another thread has a fresh stack */
    }
    if (c->at != NULL) {
        mine = private_remove_owner(&w->private, c->at, floor_of(&w->private));
        answer_if_asked(w);
    }
    return mine || childword_look(&c->word) == CHILD_LONE ? run_here(c) : join_shared(c);
}

/* A child that was copied is not where its slot says. */
static bool is_in_place(const vt_child *c) {
    struct worker *w = vti_self.worker;
    vtask_slot *at = c->at;
    if (at == NULL) {
        return true;
    }
    return w != NULL && at >= w->private.slots && at < w->private.inlined.bottom && at->child == c;
}

/* 0: the caller may join it. */
static int refuse(vt_child *c, uint64_t word, const char **first) {
    if (!childword_is_valid(word)) {
        *first = NULL;
        return word == 0 ? VT_E_EMPTY : VT_E_CORRUPT;
    }
    *first = c->where;
    if (childword_state(word) == CHILD_JOINED) {
        return VT_E_REPEATED;
    }
    if (owner_of(c) != identity()) {
        return vti_self.forked ? VTASK_E_FORKED : VT_E_NOT_OWNER;
    }
    return is_in_place(c) ? 0 : VT_E_CORRUPT;
}

int vti_child_join(vt_child *c, task_value *result, int *error, const char *where, const char **first) {
    int refused = refuse(c, load_acq(&c->word), first); /* [C1] */
    if (UNLIKELY(refused != 0)) {
        return refused;
    }
    if (c->at == NULL && vti_self.frame != NULL) {
        vti_self.frame->outside--;
    }
    *error = vti_self.worker != NULL ? join_of_worker(vti_self.worker, c) : run_here(c);
    if (*error == 0 && result != NULL) {
        *result = c->value;
    }
    c->where = where;
    store_rel(&c->word, childword_of(CHILD_JOINED)); /* for who joins it again: carries the site */
    return 0;
}
