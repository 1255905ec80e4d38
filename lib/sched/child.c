/* sched/child.c: fork and join: children live in their parent's frame, private until somebody is hungry.
 *
 *                 fork                        join (owner)
 *   (anything) ---------> PRIVATE ------------------------------------> RUNNING ---> JOINED
 *                  |         | publish (owner, asked by a thief)           ^
 *                  |         v               join: the ticket claimed      |
 *                  |      PUBLISHED ---------------------------------------+
 *                  |         |  | join: CAS, the thief has it
 *                  |         |  v
 *                  |         | WAITING ---+ thief's end: exchange
 *                  |         +------------+--> DONE ---- join ----> JOINED
 *                  +--> LONE (no worker) ----- join ----> RUNNING ---> JOINED
 *
 *   bits    name    set by          meaning
 *   0..7    state   as above
 *   8..15   tag     always: tells a child from other memory
 *   16..63  site    join            JOINED: where it was joined
 *   32..63  error   thief's end     DONE: the code
 *
 *   plain field     PRIVATE, LONE, RUNNING   PUBLISHED, WAITING            DONE
 *   older, newer    the owner: list          older: the ticket; owner      nobody
 *   value           the owner                the thief                     the owner
 *   owner, fn, arg, where: written at the fork, then read only (`owner` by anybody: a relaxed word)
 *
 * PRIVATE is the owner's alone: no locked instruction from fork to join. Only the ticket decides who runs a published
 * child (sched/ticket.h); the word says when a thief has ended it.
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
_Static_assert(CHILD_JOINED == VTASK_CHILD_JOINED, "what the typed children's scopes look for");

enum {
    PUBLISH_MOST = 64,   /* children offered at one request */
    PUBLISH_ENOUGH = 32, /* on the ring: the request is met */
    JOIN_SPIN_NS = 10 * 1000,
};

static uint64_t word_of(enum child_state state) { return (uint64_t)state | CHILD_TAG; }
static enum child_state state_of(uint64_t word) { return (enum child_state)(word & 0xff); }
static uint64_t done_word(int error) { return word_of(CHILD_DONE) | (uint64_t)(uint32_t)error << 32; }
static int error_of(uint64_t done) { return (int)(uint32_t)(done >> 32); }
static uint64_t joined_word(const char *where) { return word_of(CHILD_JOINED) | (uint64_t)(uintptr_t)where << 16; }
static const char *site_of(uint64_t joined) { return (const char *)(uintptr_t)(joined >> 16); }

/* The half of the word that holds the state: what its owner sleeps on. */
static const uint32_t *state_half(const vt_child *c) {
    return (const uint32_t *)(const void *)&c->word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

/* Who may join: the innermost frame, or this thread where there is none. */
static void *identity(void) { return vti_self.frame != NULL ? (void *)vti_self.frame : (void *)&vti_self; }

static int no_function(void *arg, task_value *result) {
    (void)arg;
    (void)result;
    return EINVAL;
}

MAYBE_UNUSED static bool list_is_whole(const struct worker *w) {
    const vt_child *newer = NULL;
    uint32_t n = 0;
    for (const vt_child *c = w->newest; c != NULL; newer = c, c = c->older, n++) {
        if (c->newer != newer || c->word != word_of(CHILD_PRIVATE)) {
            return false;
        }
    }
    return n == w->children && w->oldest == newer;
}

static void link_newest(struct worker *w, vt_child *c) {
    c->older = w->newest;
    c->newer = NULL;
    *(w->newest != NULL ? &w->newest->newer : &w->oldest) = c;
    w->newest = c;
    w->children++;
}

static void unlink_private(struct worker *w, vt_child *c) {
    *(c->older != NULL ? &c->older->newer : &w->oldest) = c->newer;
    *(c->newer != NULL ? &c->newer->older : &w->newest) = c->older;
    w->children--;
}

/* A thief runs the child it has claimed. */
static void run_stolen(vt_child *c) {
    struct frame *owner = c->owner, f;
    const uint32_t *sleeping_on = state_half(c);
    task_value value = {.u64 = 0};
    bump_owner(&vti_self.worker->a_jobs, 1);
    frame_enter(&f, owner, owner->task, owner->where);
    int error = c->fn(c->arg, &value);
    vti_frame_leave(&f, NULL);
    c->value = value;
    if (state_of(exchange_acqrel(&c->word, done_word(error))) == CHILD_WAITING) { /* [C1] [C2] */
        vti_futex_wake(sleeping_on, 1);
    }
}

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

static const struct job_kind ticket_kind = {ticket_run, ticket_drop_if_dead};

/* Offers the oldest private child; false: no memory, and it stays private. */
static bool publish_oldest(struct worker *w) {
    vt_child *c = w->oldest;
    struct ticket *t = vti_freelist_take_owner(&w->tickets);
    if (t == NULL) {
        return false;
    }
    unlink_private(w, c);
    t->job.kind = &ticket_kind;
    store_rlx(&t->a_child, c); /* the ring's edge carries it [T1] */
    c->older = (vt_child *)(void *)t;
    store_rlx(&c->word, word_of(CHILD_PUBLISHED)); /* the ring's edge carries it [T1] */
    vti_worker_push_quietly(w, &t->job);
    return true;
}

void vti_children_publish(struct worker *w, uint32_t most) {
    uint32_t n = 0;
    while (n < most && w->oldest != NULL && publish_oldest(w)) {
        n++;
    }
    if (n > 0) {
        bump_owner(&w->a_published, n);
        vti_worker_pushed(w);
    }
}

/* Somebody is hungry: the oldest half. The request stands until enough is out. */
static void answer(struct worker *w) {
    uint32_t half = (w->children + 1) / 2;
    vti_children_publish(w, half < PUBLISH_MOST ? half : PUBLISH_MOST);
    if (vti_ring_size(&w->ring) >= PUBLISH_ENOUGH) {
        store_rlx(&w->a_hungry, 0); /* a request: carries nothing */
    }
}

static void answer_if_asked(struct worker *w) {
    if (UNLIKELY(load_rlx(&w->a_hungry) != 0) && w->oldest != NULL) { /* a request: carries nothing */
        answer(w);
    }
}

void vti_child_fork(vt_child *c, task_fn *fn, void *arg, const char *where) {
    struct worker *w = vti_self.frame != NULL ? vti_self.worker : NULL; /* a thief needs the frame */
    *c = (vt_child){.fn = fn != NULL ? fn : no_function, .arg = arg, .where = where};
    store_rlx(&c->owner, identity());
    if (vti_self.frame != NULL) {
        vti_self.frame->children++;
        vti_self.frame->last_fork = where;
        vti_self.frame->forks ^= (uintptr_t)where;
    }
    store_rlx(&c->word, word_of(w != NULL ? CHILD_PRIVATE : CHILD_LONE)); /* the owner's alone yet */
    if (w != NULL) {
        link_newest(w, c);
        ASSERT_SLOW(list_is_whole(w));
        answer_if_asked(w);
    }
}

static int run_here(vt_child *c) {
    struct frame *below = vti_self.frame, f;
    store_rlx(&c->word, word_of(CHILD_RUNNING)); /* for who must not join it; carries nothing */
    frame_enter(&f, below, below != NULL ? below->task : NULL, below != NULL ? below->where : c->where);
    int error = c->fn(c->arg, &c->value);
    vti_frame_leave(&f, below);
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

static void sleep_until_ended(vt_child *c) {
    uint64_t word = word_of(CHILD_PUBLISHED);
    (void)cas_acqrel(&c->word, &word, word_of(CHILD_WAITING)); /* [C2] */
    while (!has_ended(c)) {
        vti_futex_wait(state_half(c), (uint32_t)word_of(CHILD_WAITING));
    }
}

/* Whoever has the ticket runs it. With too little stack left here that must be another thread; where none is to be had,
 * the child ends unrun with the code that says so. A thief is at work on a live thread: waiting for one needs no
 * replacement. */
static int join_published(vt_child *c) {
    struct ticket *t = (struct ticket *)(void *)c->older;
    if (worker_has_stack(vti_self.worker) && ticket_claim_owner(&t->a_child, c)) {
        return run_here(c);
    }
    if (!spin_until_ended(c)) {
        int error = vti_block_begin();
        if (error != 0 && ticket_claim_owner(&t->a_child, c)) {
            return error;
        }
        sleep_until_ended(c);
        if (error == 0) {
            vti_block_end();
        }
    }
    return error_of(load_acq(&c->word)); /* [C1] */
}

static int join_private(struct worker *w, vt_child *c) {
    if (UNLIKELY(!worker_has_stack(w))) {
        vti_children_publish(w, UINT32_MAX);                   /* another thread has a fresh stack */
        if (state_of(load_rlx(&c->word)) == CHILD_PUBLISHED) { /* the owner alone writes it here */
            return join_published(c);
        }
    }
    unlink_private(w, c);
    ASSERT_SLOW(list_is_whole(w));
    answer_if_asked(w);
    return run_here(c);
}

static bool is_child_word(uint64_t word) {
    enum child_state state = state_of(word);
    bool plain = word == word_of(state) && state > CHILD_EMPTY && state < CHILD_DONE;
    bool done = state == CHILD_DONE && word << 32 == word_of(CHILD_DONE) << 32;
    return plain || done || (state == CHILD_JOINED && (word & 0xff00) == CHILD_TAG);
}

/* 0: the caller may join it. */
static int refuse(vt_child *c, uint64_t word, const char **first) {
    if (!is_child_word(word)) {
        *first = NULL;
        return word == 0 ? VT_E_EMPTY : VT_E_CORRUPT;
    }
    if (state_of(word) == CHILD_JOINED) {
        *first = site_of(word);
        return VT_E_REPEATED;
    }
    *first = c->where;
    return load_rlx(&c->owner) == identity() ? 0 : VT_E_NOT_OWNER; /* compared only */
}

int vti_child_join(vt_child *c, task_value *result, int *error, const char *where, const char **first) {
    uint64_t word = load_acq(&c->word); /* [C1] */
    int refused = refuse(c, word, first);
    if (UNLIKELY(refused != 0)) {
        return refused;
    }
    switch (state_of(word)) {
    case CHILD_PRIVATE:
        *error = join_private(vti_self.worker, c);
        break;
    case CHILD_LONE:
        *error = run_here(c);
        break;
    case CHILD_PUBLISHED:
        *error = join_published(c);
        break;
    default:
        ASSERT(state_of(word) == CHILD_DONE);
        *error = error_of(word);
    }
    if (vti_self.frame != NULL) {
        vti_self.frame->children--;
        vti_self.frame->forks ^= (uintptr_t)c->where;
    }
    if (*error == 0 && result != NULL) {
        *result = c->value;
    }
    store_rel(&c->word, joined_word(where)); /* for who joins it again: the site */
    return 0;
}
