/* sched/child.c: fork and join beyond the inlined half: children that are stolen, published, or out of order.
 *
 *                 fork                          join (owner, inlined or here)
 *   (anything) ---------> PRIVATE ------------------------------------> RUNNING ---> JOINED
 *                  |       |   | give (owner, asked by a thief)            ^
 *                  |       |   v               join: the ticket claimed    |
 *                  |       | PUBLISHED ------------------------------------+
 *                  |  take |   | (thief: ticket claimed)
 *                  |       v   v
 *                  |     WAITING, if the owner waits --- thief's end: exchange ---> DONE ---- join ----> JOINED
 *                  +--> LONE (no worker, or no memory for a ticket) --- join ----> RUNNING ---> JOINED
 *
 *   bits    name    set by          meaning
 *   0..7    state   as above
 *   8..15   tag     always: tells a child from other memory
 *   16..63  site    join            JOINED: where it was joined
 *   32..63  error   thief's end     DONE: the code
 *
 *   plain field     PRIVATE, LONE             taken or PUBLISHED, WAITING   RUNNING      DONE
 *   at              its slot, or NULL: it has none (LONE, or the private end was full)
 *   with            nobody                    PUBLISHED: the ticket         its frame    nobody
 *   value           nobody                    the thief                     nobody       the owner
 *   owner, fn, arg, where: written at the fork, then read only
 *
 * Who runs a child is decided by the boundary of its worker's private end (sched/private.h), and once it is published by
 * its ticket (sched/ticket.h); a taken child's word is PRIVATE still. The word says when a thief has ended it. A child
 * keeps its slot until its join, so that a frame has joined its children when bottom is where it was.
 *
 * [C1] thief's end (exchange, release) -> join (acquire): carries the value and everything the child did.
 * [C2] WAITING and DONE are RMWs of this one word: either the owner finds DONE, or the thief finds WAITING and wakes.
 * Lifetime: with that exchange the thief has touched the child and its frame for the last time; it wakes by address.
 */
#include "sched/child.h"

#include <errno.h>
#include <vtask/error.h>

#include "base/assert.h"
#include "os/clock.h"
#include "os/futex.h"
#include "sched/pool.h"
#include "sched/ticket.h"

_Static_assert(sizeof(vt_child) <= 64, "a child takes a cache line at most");

enum child_state {
    CHILD_EMPTY,
    CHILD_PRIVATE,
    CHILD_LONE,
    CHILD_PUBLISHED,
    CHILD_WAITING,
    CHILD_RUNNING,
    CHILD_DONE,
    CHILD_JOINED
};
#define CHILD_TAG 0xc500u
_Static_assert((CHILD_PRIVATE | CHILD_TAG) == VTASK_CHILD_PRIVATE, "what inlined code writes");
_Static_assert((CHILD_JOINED | CHILD_TAG) == VTASK_CHILD_JOINED, "what inlined code writes");

enum {
    PUBLISH_MOST = 64,   /* children offered at one request */
    PUBLISH_ENOUGH = 32, /* on the ring: the request is met */
    JOIN_SPIN_NS = 10 * 1000,
};

static uint64_t word_of(enum child_state state) { return (uint64_t)state | CHILD_TAG; }
static enum child_state state_of(uint64_t word) { return (enum child_state)(word & 0xff); }
static uint64_t done_word(int error) { return word_of(CHILD_DONE) | (uint64_t)(uint32_t)error << 32; }
static int error_of(uint64_t done) { return (int)(uint32_t)(done >> 32); }

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
    if (state_of(exchange_acqrel(&c->word, done_word(error))) == CHILD_WAITING) { /* [C1] [C2] */
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
        store_rlx(&c->word, word_of(CHILD_LONE)); /* the owner's alone */
        return;
    }
    t->job.kind = &ticket_kind;
    store_rlx(&t->a_child, c); /* the ring's edge carries it [T1] */
    c->with = t;
    store_rlx(&c->word, word_of(CHILD_PUBLISHED)); /* the ring's edge carries it [T1] */
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

/* Somebody asks: the oldest half. The request stands until enough is out, or nobody is idle; and as long as somebody
 * sleeps, who counts on it: [V3] either this look finds the sleeper, or his request comes after the answer. */
static void answer(struct worker *w) {
    uint32_t half = (private_size_owner(&w->private) + 1) / 2;
    if (half > 0) {
        publish_quietly(w, half < PUBLISH_MOST ? half : PUBLISH_MOST);
    }
    vti_worker_pushed(w);
    if ((vti_ring_size(&w->ring) >= PUBLISH_ENOUGH || idle_is_quiet(&w->pool->idle)) &&
        private_answered_owner(&w->private) && idle_has_sleepers(&w->pool->idle)) {
        private_ask_any(&w->private);
    }
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

COLD void vti_worker_make_room(struct worker *w) {
    if (private_size_owner(&w->private) >= JOBS_MOST) {
        vti_children_publish(w, JOBS_MOST / 2);
    }
}

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
    if (LIKELY(vtask_pop(&p->inlined, at, at->child))) {
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
            vti_die_of_unjoined(NULL, at->where);
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

/* What is private elsewhere is queued here: the oldest of some other worker. It is not begun: that would put it on top of
 * what this one does. A child that was taken stays PRIVATE for its owner, who can only wait for it now. */
bool vti_worker_fetch(struct worker *w) {
    struct ticket *t = vti_freelist_take_owner(&w->tickets); /* before there is something to put into it */
    uint32_t threads = load_acq(&w->pool->a_threads);        /* carries workers[] */
    vt_child *c = NULL;
    for (uint32_t i = 0; t != NULL && c == NULL && i < threads; i++) {
        struct worker *victim = w->pool->workers[i];
        c = victim != w ? private_take_any(&victim->private, true) : NULL;
    }
    if (c != NULL && !private_is_job(c)) {
        t->job.kind = &ticket_kind;
        store_rlx(&t->a_child, c); /* the ring's edge carries it [T1] */
        vti_worker_push_quietly(w, &t->job);
    } else if (t != NULL) {
        vti_freelist_give_any(&w->tickets, t);
        if (c != NULL) {
            share(w, job_in(c));
        }
    }
    if (c != NULL) {
        vti_worker_pushed(w);
    }
    return c != NULL;
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
    *c = (vt_child){.word = word_of(CHILD_LONE), .fn = fn, .arg = arg, .owner = identity(), .where = where};
    count_outside(where);
}

void vt_child_left(void *bottom) {
    if (vti_self.worker == NULL) { /* the child of a fork() that came in between: no thief has come with it */
        return;
    }
    struct private_end *p = &vti_self.worker->private;
    for (const vtask_slot *at = bottom; at < p->inlined.bottom; at++) {
        if (at->child != NULL && !private_is_job(at->child)) {
            vti_die_of_unjoined(vti_self.frame, at->where);
        }
    }
    tidy(p);
}

/* --- join --- */

static int run_here(vt_child *c) {
    struct worker *w = vti_self.worker;
    struct frame *below = vti_self.frame, f;
    task_value value = {.u64 = 0};
    store_rlx(&c->word, word_of(CHILD_RUNNING)); /* for who must not join it; carries nothing */
    frame_enter(w, &f, below, below != NULL ? below->task : NULL, below != NULL ? below->where : &c->where);
    int error = c->fn(argument_of(c), &value);
    frame_ended(w, &f);
    frame_leave(w, &f, below);
    c->value = value;
    return error;
}

static bool has_ended(vt_child *c) { return state_of(load_acq(&c->word)) == CHILD_DONE; } /* [C1] */

static bool spin_until_ended(vt_child *c) {
    uint64_t end = vti_clock_ns() + JOIN_SPIN_NS;
    while (!has_ended(c) && vti_clock_ns() < end) {
        cpu_relax();
    }
    return has_ended(c);
}

static void sleep_until_ended(vt_child *c, enum child_state now) {
    uint64_t word = word_of(now);
    (void)cas_acqrel(&c->word, &word, word_of(CHILD_WAITING)); /* [C2] */
    while (!has_ended(c)) {
        vti_futex_wait(state_half(c), (uint32_t)word_of(CHILD_WAITING));
    }
}

static bool claim_ticket(vt_child *c, enum child_state now) {
    return now == CHILD_PUBLISHED && ticket_claim_owner(&((struct ticket *)c->with)->a_child, c);
}

/* Somebody else has it, or will; that must be so if too little stack is left here: where no other thread is to be had, a
 * child that nobody has begun ends unrun with the code that says so. A thief is at work on a live thread: waiting for
 * one needs no replacement. */
static int join_shared(vt_child *c, enum child_state now) {
    if (worker_has_stack(vti_self.worker) && claim_ticket(c, now)) {
        return run_here(c);
    }
    if (!spin_until_ended(c)) {
        int error = vti_block_begin();
        if (error != 0 && claim_ticket(c, now)) {
            return error;
        }
        sleep_until_ended(c, now);
        if (error == 0) {
            vti_block_end();
        }
    }
    return error_of(load_acq(&c->word)); /* [C1] */
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
    enum child_state now = state_of(load_acq(&c->word)); /* [C1] */
    if (mine || now == CHILD_LONE) {
        return run_here(c);
    }
    return now == CHILD_DONE ? error_of(load_acq(&c->word)) : join_shared(c, now); /* [C1] */
}

static bool is_child_word(uint64_t word) {
    enum child_state state = state_of(word);
    bool plain = word == word_of(state) && state > CHILD_EMPTY && state < CHILD_DONE;
    bool done = state == CHILD_DONE && word << 32 == word_of(CHILD_DONE) << 32;
    return plain || done || (word & 0xffff) == word_of(CHILD_JOINED);
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
    if (!is_child_word(word)) {
        *first = NULL;
        return word == 0 ? VT_E_EMPTY : VT_E_CORRUPT;
    }
    if (state_of(word) == CHILD_JOINED) {
        *first = (const char *)(uintptr_t)(word >> 16);
        return VT_E_REPEATED;
    }
    *first = c->where;
    if (owner_of(c) != identity()) {
        return VT_E_NOT_OWNER;
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
    store_rel(&c->word, vtask_child_joined(where)); /* for who joins it again, with the site */
    return 0;
}
