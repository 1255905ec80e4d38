/* sched/ticket.h: a published child's stand-in on the ring.
 *
 *   a_child = child --- thief: exchange ---> NULL (the thief runs the child)
 *                   --- owner, at the join: CAS ---> NULL (the owner runs it; the ticket is dead)
 *
 * A thief never follows a pointer into a frame that may be gone: the child is in the ticket exactly as long as its owner
 * has not joined it, and whoever changes the word to NULL has it alone. Both are RMWs of one word.
 * The owner's CAS may meet a ticket that was recycled: by then the word is NULL or another child, since a child that is
 * not joined is published once; so the CAS fails, rightly, and the memory is a ticket's still (freelist).
 * [T1] publish -> thief: by the ring's edge, which carries the child and the frame around it.
 * Model: tests/model/ticket.cpp.
 */
#ifndef VTI_SCHED_TICKET_H
#define VTI_SCHED_TICKET_H

#include "base/atomic.h"

#ifndef VTI_MODEL
#include "sched/job.h"

struct vt_child;

#define TICKET_SIZE 32u

struct ticket {
    struct job job;
    ATOMIC_POINTER(struct vt_child) a_child;
};
_Static_assert(sizeof(struct ticket) <= TICKET_SIZE, "a ticket fits its block");
#endif

/* The thief's claim: the child, which is the caller's alone now, or NULL: the ticket is dead. */
static inline struct vt_child *ticket_claim_thief(ATOMIC_POINTER(struct vt_child) * a_child) {
    return exchange_acqrel(a_child, (struct vt_child *)NULL);
}

/* The owner's claim: true: nobody has begun the child, and nobody will. */
static inline bool ticket_claim_owner(ATOMIC_POINTER(struct vt_child) * a_child, struct vt_child *child) {
    return cas_acqrel(a_child, &child, (struct vt_child *)NULL);
}

#endif
