/* sched/worker.h: a pool's thread: its queues, and what runs on it.
 *
 * A worker has two ends: `ring`, which everybody may take from, oldest first, and a private list of forked children,
 * newest first, linked through the children. Only the owner touches the list; when a thief has set `a_hungry` the
 * owner publishes the oldest half of it as tickets on the ring, at its next fork or join.
 */
#ifndef VTI_SCHED_WORKER_H
#define VTI_SCHED_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "ds/freelist.h"
#include "ds/ring.h"
#include "os/thread.h"
#include "sched/job.h"

struct task_pool;
struct vt_child;

/* What runs: a task's function, or a child's. On the native stack of the thread that runs it. */
struct frame {
    struct frame *parent;  /* the frame that cannot end before this one: whose await or join runs it, or whose child it
                              is (on any thread: it is alive until the join); NULL at the root */
    void *task;            /* the task layer's; a child has its parent's */
    const char *where;     /* where that was made */
    const char *last_fork; /* where this frame forked last */
    uintptr_t forks;       /* the sites of all unjoined children, by exclusive or: of a single one, its own */
    uint32_t children;     /* forked and not joined yet */
};

/* What the calling thread is. */
struct self {
    struct task_pool *pool; /* whose task runs here; NULL outside pools */
    struct worker *worker;  /* NULL outside pools, and on a thread of a task's own */
    struct frame *frame;    /* the innermost; NULL outside tasks */
};
extern _Thread_local struct self vti_self;

struct worker {
    struct task_pool *pool;
    unsigned index;
    os_thread thread;
    char *stack_limit; /* below this nothing is run inline */

    /* the owner's alone */
    struct vt_child *newest, *oldest; /* private children */
    uint32_t children;                /* how many those are */
    uint32_t tick;                    /* jobs begun, for the inbox's turn */
    uint32_t random;                  /* where the next search begins */
    struct freelist tickets;

    /* statistics: written by the owner, read by anybody; carry nothing */
    atomic_u64 a_jobs, a_steals, a_parks, a_blocks, a_published, a_spilled;

    char pad[CACHE_LINE];
    atomic_u32 a_hungry; /* a thief found nothing: publish children. A request, carries nothing */
    atomic_u32 a_wake;   /* 1: woken. See sched/park.c */
    atomic_u32 a_epoch;  /* changes after each push: see sched/idle.h */
    struct worker *next; /* in the pool's list of sleepers or of spares, under its lock */
    struct ring ring;
};

/* Queues a job at the calling worker's ring and wakes somebody if need be. Never fails. */
void vti_worker_push(struct worker *w, struct job *job);
/* The same without the waking, for several in a row. */
void vti_worker_push_quietly(struct worker *w, struct job *job);
void vti_worker_pushed(struct worker *w);
/* Moves what is queued at the calling worker's ring to the end of the pool's inbox. */
void vti_worker_empty_ring(struct worker *w);
/* A worker thread's whole life. */
void *vti_worker_main(void *worker);
/* Whether the calling worker has enough stack left to run a job on top of what it does. */
static inline bool worker_has_stack(const struct worker *w) {
    return (char *)__builtin_frame_address(0) > w->stack_limit;
}

/* Begins a frame on this thread. */
static inline void frame_enter(struct frame *f, struct frame *parent, void *of, const char *where) {
    *f = (struct frame){parent, of, where, NULL, 0, 0};
    vti_self.frame = f;
}
/* Ends it; aborts if a child is unjoined. `below` is the frame this thread returns to. */
void vti_frame_leave(struct frame *f, struct frame *below);

#endif
