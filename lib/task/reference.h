/* task/reference.h: a task's count of references, and who frees it.
 *
 *   bits    name        set by                       cleared by       meaning
 *   0       CLAIMED     claim of a queued task       never            somebody runs it or has run it
 *   1..31   references  retain, a stale entry        release          holders of the task
 *
 * The last reference is never given up by counting down: its holder, who is alone once the task has ended, frees it, or leaves
 * it to the runner (OWED, task/waitlist.h), who releases it after the end. Before the end the holder is not alone: a task
 * may retain itself while it runs. So the end is looked for first, and the count read after it is final [T2]; and where the
 * end comes between the two, the hand-over fails, and both are read once more.
 * [T2] the end (close, release) -> the look (acquire): what the task has retained of itself shows in the count.
 * [T3] release (release) -> the last release (acquire): every user's accesses happen before the block is recycled.
 * Model: tests/model/reference.cpp.
 */
#ifndef VTI_TASK_REFERENCE_H
#define VTI_TASK_REFERENCE_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "task/waitlist.h"

#define TASK_CLAIMED 1u
#define TASK_REFERENCE 2u

static inline bool reference_is_last(uint32_t references) { return references < 2 * TASK_REFERENCE; }

/* One of several. False: the others have gone meanwhile, and it is the last. */
static __attribute__((noinline)) bool reference_count_down(atomic_u32 *a_references, uint32_t references) {
    while (!reference_is_last(references)) {
        if (cas_acqrel(a_references, &references, references - TASK_REFERENCE)) { /* [T3] */
            return true;
        }
    }
    return false;
}

/* Gives one up; true: it was the last, and the caller frees the task. `runs`: it has a runner, who ends it. */
static inline bool reference_give_up(atomic_u32 *a_references, waitlist *waiters, bool runs) {
    for (;;) {
        bool ended = !runs || LIKELY(waitlist_is_closed(waiters)); /* [T2] */
        uint32_t references = load_acq(a_references);              /* [T3] */
        if (!reference_is_last(references) && reference_count_down(a_references, references)) {
            return false;
        }
        if (ended) {
            return true;
        }
        if (vti_waitlist_hand_over(waiters)) {
            return false; /* its runner releases it */
        }
    }
}

#endif
