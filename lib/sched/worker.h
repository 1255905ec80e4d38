/* sched/worker.h: a pool's thread: its queues, and what runs on it.
 *
 * A worker has two ends: `ring`, which everybody may take from, oldest first, and the private end of its forked
 * children and the jobs it has queued, newest first. Who finds nothing leaves a request there, and the owner publishes the oldest half as tickets on
 * the ring, at its next fork or join; of an owner who stays silent the oldest children are taken (sched/private.h).
 */
#ifndef VTI_SCHED_WORKER_H
#define VTI_SCHED_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vtask/child.h>

#include "base/atomic.h"
#include "ds/freelist.h"
#include "ds/ring.h"
#include "os/thread.h"
#include "sched/job.h"
#include "sched/private.h"
#include "sched/sleep.h"

struct task_pool;
struct vt_child;

/* What runs: a task's function, or a child's that a thief or the library runs (a child that is run by inlined code has
 * the frame of what joined it). On the native stack of the thread that runs it. */
struct frame {
    void *self;               /* its identity points here */
    struct frame *parent;     /* the frame that cannot end before this one: whose await or join runs it, or whose child
                                 it is (on any thread: it is alive until the join); NULL at the root */
    void *task;               /* the task layer's; a child has its parent's */
    const char *const *where; /* where that was made */
    vtask_slot *bottom;    /* of the worker's private end when it began, and when it ends, else a child is unjoined */
    void **below;          /* the identity that it covers, on a worker */
    uint32_t outside;      /* unjoined children that are in no private end */
    const char *last_fork; /* where the last of them was forked, if there was one */
};

/* What the calling thread is. */
struct self {
    struct task_pool *pool; /* whose task runs here; NULL outside pools */
    struct worker *worker;  /* NULL outside pools, and on a thread of a task's own */
    struct frame *frame;    /* the innermost; NULL outside tasks */
    bool forked;            /* in the child of a fork(): it was inside a pool, which has stayed behind */
};
extern _Thread_local struct self vti_self;

struct worker {
    struct task_pool *pool;
    unsigned index;
    os_thread thread;

    /* the owner's alone */
    uint32_t tick;         /* jobs begun, for the inbox's turn */
    uint32_t random;       /* where the next search begins */
    uint32_t search_ns;    /* how long that is worth while */
    uint64_t refuse_until; /* until then it gives way only while that pays: somebody took the CPU for long */
    struct freelist tickets;
    struct {
        struct job job;
        struct vt_child *child; /* taken from somebody's private end, and run at once */
    } taken;
    bool lone;        /* the last job that was stolen was its victim's only one */
    uint32_t rest_us; /* how long to leave lone jobs alone, since they are tiny */

    /* statistics: written by the owner, read by anybody; carry nothing */
    atomic_u64 a_jobs, a_steals, a_parks, a_blocks, a_published, a_spilled;

    char pad[CACHE_LINE];
    struct sleeper sleeper; /* in the pool's list of sleepers or of spares, or in none */
    atomic_u32 a_epoch;     /* changes after each push: see sched/idle.h */
    struct ring ring;
    char pad1[CACHE_LINE];
    struct private_end private;
};

/* A job in a slot of a private end, and back. */
static inline struct vt_child *slot_of(struct job *job) { return (struct vt_child *)(void *)((char *)job + 1); }
static inline struct job *job_in(struct vt_child *slot) { return (struct job *)(void *)((char *)slot - 1); }

/* The newest job of the calling worker's private end; no frame runs. NULL: it is empty. In child.c */
struct job *vti_worker_pop(struct worker *w);
/* The rest of the pushes and takes below. In child.c */
void vti_worker_pushed_private(struct worker *w);
bool vti_worker_take_back_any(struct worker *w, struct job *job);
/* Asks the other worker in whose private end that job is, if it is, to share. In child.c */
void vti_worker_ask(struct worker *w, const struct job *job);
/* Queues the oldest of the private end in which that job is at the calling worker's ring. False: it is not in another one's,
 * or there is no memory, or it cannot be had. In child.c */
bool vti_worker_fetch(struct worker *w, const struct job *job);
/* Queues a job that is shared at the calling worker's ring; after one or several in a row, wakes somebody if need be. */
void vti_worker_push_quietly(struct worker *w, struct job *job);
void vti_worker_pushed(struct worker *w);
/* Moves what is queued at the calling worker's ring to the end of the pool's inbox. */
void vti_worker_empty_ring(struct worker *w);
/* A worker thread's whole life. */
void *vti_worker_main(void *worker);
/* Whether the calling worker has enough stack left to run a job on top of what it does. */
static inline bool worker_has_stack(const struct worker *w) {
    return (char *)__builtin_frame_address(0) > w->private.inlined.stack_limit;
}

/* Ends the process: what a thief may be writing into is gone. `f` is NULL where a callback of the user's forked it. */
__attribute__((noreturn)) void vti_die_of_unjoined(const struct frame *f, const char *lost);

/* Begins a frame on this thread, which is the worker `w`, or none (NULL). */
static inline void frame_enter(struct worker *w, struct frame *f, struct frame *parent, void *of, const char *const *where) {
    f->self = f;
    f->parent = parent;
    f->task = of;
    f->where = where;
    f->outside = 0;
    if (w != NULL) {
        f->bottom = w->private.inlined.bottom;
        f->below = w->private.inlined.identity;
        w->private.inlined.identity = &f->self;
    }
    vti_self.frame = f;
}
/* Whether this is still the process in which the frame began: in the child of a fork() no frame runs. */
static inline bool frame_is_here(const struct frame *f) { return LIKELY(vti_self.frame == f); }

/* After what it ran: ends the process if a child is unjoined. (In the child of a fork() that came in between, `w` is a
 * copy that nobody uses any more, and joins did nothing.) */
static inline void frame_ended(struct worker *w, const struct frame *f) {
    if (w != NULL && UNLIKELY(w->private.inlined.bottom > f->bottom)) {
        vt_child_left(f->bottom);
    }
    if (UNLIKELY(f->outside != 0) && frame_is_here(f)) {
        vti_die_of_unjoined(f, f->last_fork);
    }
}
/* Ends it. `below` is the frame this thread returns to. */
static inline void frame_leave(struct worker *w, const struct frame *f, struct frame *below) {
    if (w != NULL) {
        w->private.inlined.identity = f->below;
    }
    if (frame_is_here(f)) {
        vti_self.frame = below;
    }
}

/* Queues a job at the calling worker's private end, and tells who asks. Never fails. */
static inline void vti_worker_push(struct worker *w, struct job *job) {
    struct vtask_worker *p = &w->private.inlined;
    vtask_slot *at = VTASK_LOAD(&p->bottom);
    VTASK_STORE(&job->at, at);
    edge_release(&p->bottom); /* [V1] */
    if (UNLIKELY(!vtask_push(p, at, slot_of(job)))) {
        vti_worker_pushed_private(w);
    }
}

/* Takes that job back if it is the newest there, as most are, and was made by what runs: bottom stays where the innermost
 * frame began, or above. False: nothing has happened. */
static inline bool vti_worker_take_back_newest(struct worker *w, struct job *job) {
    vtask_slot *at = VTASK_LOAD(&job->at); /* carries nothing: it was pushed here */
    return (vti_self.frame == NULL || at >= vti_self.frame->bottom) && vtask_pop(&w->private.inlined, at, slot_of(job));
}

/* Takes that job back; false: it is not there any more. */
static inline bool vti_worker_take_back(struct worker *w, struct job *job) {
    return vti_worker_take_back_newest(w, job) || vti_worker_take_back_any(w, job);
}

#endif
