/* sched/pool.h: the threads and queues of a pool. Rooms: pool.c (life), worker.c (the loop), park.c (sleep and wake),
 * block.c (width while awaits wait), own.c (threads of a task's own), child.c (fork and join). */
#ifndef VTI_SCHED_POOL_H
#define VTI_SCHED_POOL_H

#include <stdbool.h>
#include <vtask/pool.h>

#include "base/atomic.h"
#include "ds/inbox.h"
#include "os/thread.h"
#include "sched/idle.h"
#include "sched/job.h"
#include "sched/sleep.h"
#include "sched/worker.h"

/* A pool has at most this many threads, or twice its width if that is more. */
#define POOL_THREADS_MAX 256u

struct own_thread;

struct task_pool {
    struct idle idle;
    char pad0[CACHE_LINE];
    struct inbox inbox;
    atomic_u32 a_inbox_epoch; /* changes after each push into the inbox: see sched/idle.h */
    char pad1[CACHE_LINE];
    atomic_u32 a_gate;     /* bit 0: closing; above: submissions from outside under way. See pool.c */
    char pad2[CACHE_LINE]; /* what submitters write is not what workers look at after each job */
    atomic_u32 a_surplus; /* workers that run beyond the width; changes under the lock, which carries it: relaxed; outside it is a
                             hint */
    atomic_u32 a_drained; /* 1: everything has run, threads end; set under the lock */
    atomic_u32 a_threads; /* workers[0..a_threads) are there; grows under the lock */

    os_mutex lock; /* guards the rest */
    struct sleep_list sleepers, spares;
    unsigned own;             /* threads of a task's own that have not ended */
    struct own_thread *ended; /* those that have, to be joined */
    bool closing;
    bool permanent; /* the default pool: never closed */

    /* never changes */
    unsigned width, capacity;
    size_t stack_size;
    uint32_t forks; /* vti_fork_count() when it was made */
    char name[16];
    struct worker *workers[];
};

/* Queues a job of a thread that is none of its workers in the inbox (a worker's goes to its private end).
 * Returns 0, VTASK_E_SHUTDOWN or VTASK_E_FORKED (nothing was queued). */
int vti_pool_submit(struct task_pool *pool, struct job *job);
/* Puts a job at the end of the queue of a pool the caller is inside of. */
void vti_pool_inbox(struct task_pool *pool, struct job *job);
/* A submission from outside, between which the pool is not drained. enter: 0 or VTASK_E_SHUTDOWN. */
int vti_pool_enter(struct task_pool *pool);
void vti_pool_leave(struct task_pool *pool);
/* Starts one more worker. Under the lock. Returns 0, ENOMEM or EAGAIN. */
int vti_pool_add_worker(struct task_pool *pool);

/* park.c */
bool vti_pool_has_work(struct task_pool *pool);     /* with the edge of every push before its epoch */
bool vti_pool_has_children(struct task_pool *pool); /* somebody's private end is not empty: a hint */
/* Leaves a request with every worker: share what is private. Says whether one was new. */
bool vti_pool_ask(struct task_pool *pool);
/* The youngest sleeper, a searcher from now on, for the caller to wake; NULL: none. Under the lock. */
struct sleeper *vti_pool_pop_sleeper(struct task_pool *pool);
void vti_pool_wake_one(struct task_pool *pool); /* a sleeper, if there is one */
bool vti_worker_park(struct worker *w);         /* a searcher sleeps; false: the pool has drained */
void vti_worker_retire(struct worker *w);       /* surplus workers sleep until somebody blocks */

/* block.c: around every wait on a worker. begin: 0, or VTASK_E_OVERFLOW or EAGAIN, and nothing has happened. */
int vti_block_begin(void);
void vti_block_end(void);

/* own.c: runs the job on a thread of its own. 0, EAGAIN, ENOMEM or VTASK_E_SHUTDOWN or VTASK_E_FORKED. */
int vti_pool_submit_own(struct task_pool *pool, struct job *job);
void vti_own_join_ended(struct task_pool *pool);

/* child.c: publishes the calling worker's private children, the oldest first, `most` at the most. */
void vti_children_publish(struct worker *w, uint32_t most);
extern const struct job_kind vti_taken_kind; /* of struct worker's `taken` */

#endif
