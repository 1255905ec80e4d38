/* task/task.h: a task's block and its words.
 *
 * Two cache lines, of which a task that is queued, awaited and released needs the first only. What decides is one RMW of
 * one word each time:
 *
 *   a_references:  bit 0       CLAIMED: somebody has taken it out of a queue, or from its own thread's start, to run it
 *                  bits 1..31  how many references; with the last the block goes back to its free list
 *   waiters:       open --- close ---> CLOSED    (task/waitlist.h): the task has ended
 *
 *   a_phase says where it is; it changes by plain stores of who has the task alone:
 *     PRIVATE --- taken from a private end ---> RUNNING      PENDING (a combinator's task; never queued)
 *     PRIVATE --- share ---> QUEUED --- claimed ---> RUNNING
 *     OWN (waits for a thread of its own) --- claimed ---> RUNNING
 *   PRIVATE: it is in a worker's private end, and who takes it from there has it alone (sched/private.h): no CAS.
 *   QUEUED, OWN: who sets CLAIMED has it alone.
 *
 *   plain field        before            RUNNING        ended
 *   value              its argument      the runner     any reader, read only
 *   error              nobody            the runner     any reader, read only
 *   the others: written before the task is handed out, then read only
 *
 * References (task/reference.h): one of the caller, one of every value-task, one of every combinator that waits. A task that is queued or
 * runs needs none: whoever gives up the last one before the end leaves it to the runner (OWED, task/waitlist.h), who
 * releases it after the end. So a task that its only user runs inline ends with one RMW, and is released with none.
 * An await that claims a queued task leaves a stale entry behind, and with the same CAS a reference, which its dequeuer
 * drops.
 * [T1] submit (private end, ring, inbox) -> run: by their edges; submit -> an inline claim: by a_phase (release, acquire), since the
 *      awaiter got the handle from the submitter.
 * [T2] the end (close, release) -> await, status, error (acquire): value, error and everything the function did.
 * Rejected: the end as a phase beside the list of waiters (two words, and a store-load pair between them); the claim as a
 * CAS of the phase (one more RMW, for the stale entry's reference).
 */
#ifndef VTI_TASK_TASK_H
#define VTI_TASK_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <vtask/task.h>

#include "base/atomic.h"
#include "os/thread.h"
#include "sched/job.h"
#include "task/reference.h"
#include "task/waitlist.h"

enum task_phase { PHASE_PRIVATE, PHASE_QUEUED, PHASE_OWN, PHASE_PENDING, PHASE_RUNNING };

/* What few tasks have: options' callbacks, and a copied argument behind it. */
struct task_extra {
    void (*free_arg)(void *arg);
    void (*free_value)(task_value value);
};

struct task {
    struct job job;
    atomic_u32 a_references;
    atomic_u32 a_phase;
    task_fn *fn; /* NULL: a combinator's, or made with its outcome */
    task_value value;
    task_pool *pool; /* compared only: a task outlives its pool */
    int error;
    uint32_t has_extra; /* what is in a free block, and what a plain task never touches: no extra */
    waitlist waiters;
    /* the second line */
    atomic_u64 a_claims; /* task/claim.h; kept when the block is recycled */
    uint64_t id;
    const char *name, *where;
    void *extra;              /* struct task_extra, or a combinator's; owned; NULL: none */
    void (*destroy)(task *t); /* ends `extra` */
    uint32_t forks;           /* vti_fork_count() when it was made */
    atomic_u32 a_ticket;      /* the next value-task's ticket: a hint */
    uint64_t unused;
};
_Static_assert(sizeof(struct task) == 128, "a task is two cache lines");
_Static_assert(offsetof(struct task, a_claims) == CACHE_LINE, "what is used most is in the first");

/* A task with one reference, or NULL (no memory). */
task *vti_task_new(const char *where);
/* Gives it what goes with it. */
void vti_task_add_extra(task *t, void *extra, void (*destroy)(task *t));
/* Its outcome is there: ends it; true: a reference was left to the caller, who runs it. Else the caller holds one. */
static inline bool vti_task_end(task *t, int error, task_value value) {
    t->value = value;
    t->error = error;
    return vti_waitlist_close(&t->waiters); /* [T2] */
}
static inline bool task_has_ended(const task *t) { return waitlist_is_closed(&t->waiters); } /* [T2] */

/* Whether it is a task of the process before fork() that will never end in this one. */
static inline bool vti_task_was_left_behind(const task *t) {
    return t->forks != vti_fork_count() && !task_has_ended(t);
}

/* Begins an unstarted task on the calling worker, where it may; true: it has ended. */
bool vti_task_try_run_inline(task *t);
/* Waits for the end. 0, or the code of a wait that failed. */
int vti_task_wait(task *t, const char *where);
/* On a worker spins for a moment; true: it is closed. */
bool vti_spin_until_closed(const waitlist *l);
/* Reports that an await of `t` from here would close a ring; VTASK_E_CYCLE. */
int vti_refuse_cycle(task *t, const char *call, const char *where);
/* Whether the task cannot end before the innermost frame of this thread does. */
bool vti_task_waits_for_me(task *t);

/* Debug builds: how many blocks are in use (task/block.h). */
int64_t vti_blocks_in_use(void);

#endif
