/* sched/worker.c: the scheduler loop: own ring, inbox, steal, park. */
#include "sched/worker.h"

#include <vtask/error.h>

#include "base/assert.h"
#include "os/clock.h"
#include "sched/patience.h"
#include "sched/pool.h"

enum {
    OLDEST_EVERY = 61,      /* jobs between two looks for what has waited longest */
    INBOX_BATCH = 64,       /* jobs taken from the inbox at once */
    SILENCE_NS = 50 * 1000, /* an owner who has not answered a request for so long is silent */
    REFUSE_SHARE = 64,      /* so many times as long as somebody else has taken the CPU */
    TINY_NS = 2 * 1000,     /* not worth stealing alone */
    REST_LEAST_US = 20,
    REST_MOST_US = 160,
};

_Thread_local struct self vti_self __attribute__((tls_model("initial-exec")));
__thread struct vtask_worker *vtask_worker_v1;

COLD void vti_die_of_unjoined(const struct frame *f, const char *lost) {
    vti_thread_hold_faults(); /* a thief in the dead frame must not end the process before the report */
    vti_die(
        "vtask: a task ended with a forked child unjoined: the vt_fork at %s, in the task made at %s; a thief may be "
        "writing into its dead frame, so the process ends here. Join every child with vt_join().\n",
        lost != NULL ? lost : "?", f != NULL && *f->where != NULL ? *f->where : "?");
}

/* Takes up to `most` of the own ring: dead entries are dropped, live ones go to the inbox, in order. */
static void spill(struct worker *w, unsigned most) {
    uint64_t spilled = 0;
    for (unsigned i = 0; i < most; i++) {
        struct job *job = vti_ring_take_any(&w->ring);
        if (job == NULL) {
            break;
        }
        if (!job->kind->drop_if_dead(job)) {
            vti_inbox_push_any(&w->pool->inbox, &job->entry);
            spilled++;
        }
    }
    if (spilled > 0) {
        bump_owner(&w->a_spilled, spilled);
        if (idle_pushed_any(&w->pool->idle, &w->pool->a_inbox_epoch)) {
            vti_pool_wake_one(w->pool);
        }
    }
}

void vti_worker_push_quietly(struct worker *w, struct job *job) {
    while (UNLIKELY(!vti_ring_push_owner(&w->ring, job))) {
        spill(w, RING_SLOTS / 2);
    }
}

void vti_worker_empty_ring(struct worker *w) { spill(w, RING_SLOTS); }

void vti_worker_pushed(struct worker *w) {
    if (idle_pushed_owner(&w->pool->idle, &w->a_epoch)) {
        vti_pool_wake_one(w->pool);
    }
}

/* Moves a batch from the inbox to the own ring, which has room for it; the oldest is returned instead. */
static struct job *take_inbox(struct worker *w) {
    inbox_entry *batch[INBOX_BATCH];
    size_t room = RING_CAPACITY - vti_ring_size(&w->ring);
    size_t n = vti_inbox_take_any(&w->pool->inbox, batch, room < INBOX_BATCH ? room + 1 : INBOX_BATCH);
    for (size_t i = 1; i < n; i++) {
        vti_worker_push_quietly(w, container_of(batch[i], struct job, entry));
    }
    if (n > 1) {
        vti_worker_pushed(w);
    }
    return n > 0 ? container_of(batch[0], struct job, entry) : NULL;
}

/* Takes half of the victim's ring, at least one; all but the oldest go to the own ring, which is empty. */
static struct job *steal_from_ring(struct worker *w, struct worker *victim) {
    struct job *first = NULL;
    for (size_t n = (vti_ring_size(&victim->ring) + 1) / 2; n > 0; n--) {
        struct job *job = vti_ring_take_any(&victim->ring);
        if (job == NULL) {
            break;
        }
        bump_owner(&w->a_steals, 1);
        if (first == NULL) {
            first = job;
        } else {
            vti_worker_push_quietly(w, job);
        }
    }
    return first;
}

/* Takes the oldest private child or job; `force`: of an owner who was asked and stayed silent, too. */
static struct job *steal_child(struct worker *w, struct worker *victim, bool force) {
    struct vt_child *c = private_take_any(&victim->private, force);
    if (c == NULL) {
        return NULL;
    }
    bump_owner(&w->a_steals, 1);
    if (private_is_job(c)) {
        return job_in(c);
    }
    w->taken.child = c;
    w->taken.job.kind = &vti_taken_kind;
    return &w->taken.job;
}

static struct job *steal_from(struct worker *w, struct worker *victim, bool force) {
    struct job *job = steal_from_ring(w, victim);
    if (job == NULL) {
        job = steal_child(w, victim, force);
    }
    if (job == NULL) {
        private_ask_any(&victim->private);
    } else {
        w->lone = vti_ring_size(&w->ring) == 0 && vti_ring_size(&victim->ring) == 0 && !private_has_any(&victim->private);
    }
    return job;
}

static uint32_t next_random(struct worker *w) {
    w->random = w->random * 1664525u + 1013904223u;
    return w->random >> 8;
}

static struct job *steal(struct worker *w, bool force) {
    uint32_t threads = load_acq(&w->pool->a_threads); /* carries workers[] */
    uint32_t start = next_random(w) % threads;
    for (uint32_t i = 0; i < threads; i++) {
        struct worker *victim = w->pool->workers[(start + i) % threads];
        struct job *job = victim == w ? NULL : steal_from(w, victim, force);
        if (job != NULL) {
            return job;
        }
    }
    return NULL;
}

/* Between two looks: gives way, to whom this worker has just answered or who will bring it work; both may be on its CPU.
 * Where somebody else takes the CPU for long the next searches are shorter, and for REFUSE_SHARE times as long none looks
 * on that need not: nobody is woken meanwhile, since this one is counted as a searcher. */
static uint64_t give_way(struct worker *w, uint64_t now) {
    vti_thread_give_way();
    uint64_t later = vti_clock_ns();
    if (UNLIKELY(later - now >= PATIENCE_SLEPT_NS)) {
        w->search_ns = patience_after(w->search_ns, later - now);
        w->refuse_until = later + REFUSE_SHARE * (later - now);
    }
    return later;
}

/* What came from outside first: somebody waits for it, and this worker may have been woken for it. */
static struct job *look(struct worker *w, bool force) {
    struct job *job = take_inbox(w);
    return job != NULL ? job : steal(w, force);
}

/* Looks on, once, then no longer than it pays, but for owners who have private children and are silent: they have
 * SILENCE_NS to answer. */
static struct job *look_on(struct worker *w) {
    uint64_t now = vti_clock_ns(), end = now + w->search_ns + (now >= w->refuse_until ? 1 : 0);
    uint64_t silent_since = vti_pool_has_children(w->pool) ? now : 0;
    while (silent_since != 0 || now < end) {
        now = give_way(w, now);
        bool force = silent_since != 0 && now - silent_since >= SILENCE_NS;
        struct job *job = look(w, force);
        if (job != NULL || force) {
            return job;
        }
        if (!vti_pool_has_children(w->pool)) {
            silent_since = 0;
        } else if (silent_since == 0) {
            silent_since = now;
        }
    }
    return NULL;
}

/* One search. The first look needs no clock, which costs as much as the look. */
static struct job *search_round(struct worker *w) {
    struct job *job = look(w, false);
    return job != NULL ? job : look_on(w);
}

/* The next job of a worker whose own ring is empty; NULL: the pool has drained. */
static struct job *search(struct worker *w) {
    struct task_pool *pool = w->pool;
    idle_begin_search(&pool->idle);
    for (;;) {
        struct job *job = search_round(w);
        if (job != NULL) {
            if (idle_end_search(&pool->idle) && vti_pool_has_work(pool)) {
                vti_pool_wake_one(pool);
            }
            return job;
        }
        uint64_t parked = vti_clock_ns();
        if (!vti_worker_park(w)) {
            return NULL;
        }
        w->search_ns = patience_after(w->search_ns, vti_clock_ns() - parked);
    }
}

/* What has waited longest has its turn, however much comes after it: the oldest of the private end behind the ring, and
 * ring and inbox first by turns. */
static struct job *take_oldest(struct worker *w) {
    vti_children_publish(w, 1);
    bool ring_first = w->tick / OLDEST_EVERY % 2 == 0;
    struct job *job = ring_first ? vti_ring_take_any(&w->ring) : take_inbox(w);
    return job != NULL ? job : ring_first ? take_inbox(w) : vti_ring_take_any(&w->ring);
}

static struct job *next_job(struct worker *w) {
    w->lone = false;
    struct job *job = ++w->tick % OLDEST_EVERY == 0 ? take_oldest(w) : NULL;
    if (job == NULL) {
        job = vti_worker_pop(w);
    }
    if (job == NULL) {
        job = vti_ring_take_any(&w->ring);
    }
    if (job == NULL) {
        job = take_inbox(w);
    }
    return job != NULL ? job : search(w);
}

/* Begins when the pool has listed it: whoever starts a worker holds the lock until then. */
static void settle(struct worker *w) {
    static void *no_frame;
    vti_self = (struct self){.pool = w->pool, .worker = w};
    w->private.inlined.identity = &no_frame; /* for callbacks of the user's outside tasks */
    vtask_worker_v1 = &w->private.inlined;
    vti_thread_name(w->pool->name, w->index);
    char *low = vti_thread_stack_low();
    size_t reserve = w->pool->stack_size / 8;
#if defined(VTI_ASAN) || defined(VTI_TSAN)
    size_t most = 256u * 1024;
#else
    size_t most = 64u * 1024;
#endif
    w->private.inlined.stack_limit = low == NULL ? NULL : low + (reserve < most ? reserve : most);
    vti_mutex_lock(&w->pool->lock);
    vti_mutex_unlock(&w->pool->lock);
}

/* Nobody wakes who rests: it looks for what came from outside. */
static void rest(struct worker *w) {
    uint64_t end = vti_clock_ns() + 1000 * (uint64_t)w->rest_us;
    do {
        vti_thread_sleep_us(REST_LEAST_US);
    } while (vti_clock_ns() < end && !vti_inbox_has_any(&w->pool->inbox));
}

/* A job of a few instructions that is its owner's only one costs both more than it is worth: whoever has stolen one
 * rests, and longer each time. */
static void run_lone(struct worker *w, struct job *job) {
    uint64_t begun = vti_clock_ns();
    job->kind->run(job);
    bool left_work = private_bottom(&w->private) > 0 || vti_ring_size(&w->ring) > 0;
    if (left_work || vti_clock_ns() - begun >= TINY_NS) {
        w->rest_us = 0;
        return;
    }
    w->rest_us = w->rest_us == 0 ? REST_LEAST_US : w->rest_us * 2 > REST_MOST_US ? REST_MOST_US : w->rest_us * 2;
    rest(w);
}

void *vti_worker_main(void *worker) {
    struct worker *w = worker;
    struct job *job;
    settle(w);
    while ((job = next_job(w)) != NULL) {
        if (UNLIKELY(w->lone)) {
            run_lone(w, job);
        } else {
            job->kind->run(job);
        }
        ASSERT(vti_self.frame == NULL);
        if (UNLIKELY(vti_self.forked)) { /* the child of a fork() has no pool: what is queued runs in the parent */
            return NULL;
        }
        if (UNLIKELY(load_rlx(&w->pool->a_surplus) > 0)) { /* a hint; the lock decides */
            vti_worker_retire(w);
        }
    }
    vtask_worker_v1 = NULL; /* thread-specific destructors of the user's are in no pool: it may be gone */
    vti_self = (struct self){.pool = NULL};
    return NULL;
}
