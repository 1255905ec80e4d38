/* sched/private.h: a worker's private end: its unjoined children and the heap tasks it has queued, oldest first, of which others
 * take the oldest. (A slot with a job has the lowest bit of its pointer set; here both are children.)
 *
 *   slots:  [ taken, or published, not joined | private                  | free ]
 *                                            top                       bottom
 *
 * The owner pushes and pops at the bottom by plain loads and stores (vtask/worker.h). Everything else goes through one
 * word, the boundary:
 *
 *   bits    name    set by                  cleared by            meaning
 *   0..29   top     take, owner             owner                 slots below it are no longer private
 *   30      OPEN    take; the owner, where  owner                 the guard is infinite: take without a barrier
 *                   there is no membarrier
 *   31      LOCKED  owner                   owner                 the owner changes top, guard or middle slots
 *   32..63  tag     every change adds one                         a word that was read is still the same word
 *
 *                take (any)                                  lock (owner)           unlock (owner)
 *   SHUT, OPEN -------------> OPEN, top + 1     SHUT, OPEN -------------> LOCKED ------------------> SHUT
 *
 * The owner pops slot b: bottom = b, light barrier [V2], and if guard <= b the child is its own. If not, it locks.
 * A thief takes slot i: it reads the boundary; unless that is OPEN it stores guard = infinite and calls membarrier [V2];
 * it reads bottom, and takes the first full slot i >= top below it by one CAS of the boundary, to {i + 1, OPEN, tag + 1}.
 *
 * Why no child is both popped and taken. Say a thief's CAS has succeeded: the boundary did not change between its read
 * and the CAS, so the owner held no lock in between, and so it has not lowered the guard: the owner does that under the
 * lock only, and unlocks with a new tag. The guard has been infinite since the thief's membarrier; with OPEN, since that
 * of the thief who opened it, as the owner's next lock clears OPEN. Each pop of the owner is on one side of it:
 *  - its light barrier came before: then the thief reads bottom = b or something newer, and does not see slot b unless it
 *    was filled again [V1];
 *  - its light barrier came after: then the owner reads an infinite guard and locks; the lock's CAS comes after the
 *    thief's (else that would have failed), and finds top > b.
 * The guard is never below top while the owner pops without the lock: the owner sets it to top as it unlocks, and a
 * thief raises top only with an infinite guard.
 *
 * [V1] push, pop (bottom, release) -> take (acquire): the slot, the child and its frame.
 * [V2] light barrier -> membarrier: bottom and guard, the two cases above.
 * [V3] push's light barrier -> the membarrier of who falls asleep: either the pusher finds that somebody asks, or the
 *      sleeper finds the child (sched/request.h).
 * [V4] lock and unlock (acquire, release) -> take (acquire) and back: who takes after an unlock sees the slots as they
 *      were then; who locks after a take sees the top.
 *
 * Without membarrier (an old kernel, seccomp, refused later) the guard stays infinite and the boundary OPEN, whatever
 * the owner does: each of its pops locks, and each push asks the library. After a refusal that is so from the owner's next
 * lock; until then a silent owner keeps what it has.
 * A request is two stores, limit = NULL and guard = infinite: the owner's next fork or join calls the library. The guard's
 * half of it may be lost; for the limit's see sched/request.h.
 *
 * Rejected: a linked list that only the owner may touch (a silent owner strands its children); a full barrier at each
 * pop (23 ns); a tombstone in a slot that was joined out of order instead of the lock (a thief cannot tell it from a
 * slot that will be filled again).
 * Models: tests/model/private.cpp and request.cpp (Relacy), tso.cpp (every interleaving and every store buffer).
 */
#ifndef VTI_SCHED_PRIVATE_H
#define VTI_SCHED_PRIVATE_H

#ifndef VTI_MODEL
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vtask/child.h>

#include "base/atomic.h"
#include "os/membarrier.h"

/* A worker with more unjoined children puts them into the ring at once. Slots take memory as they are touched; sanitizers
 * shadow them all. */
#if defined(VTI_ASAN) || defined(VTI_TSAN) || UINTPTR_MAX < UINT64_MAX
#define PRIVATE_SLOTS ((1u << 11) - 1)
#else
#define PRIVATE_SLOTS ((1u << 20) - 1)
#endif
#define PRIVATE_SIZE (VTASK_WHERE_OFFSET + (PRIVATE_SLOTS + 1) * sizeof(const char *)) /* bytes, sites included */
_Static_assert((PRIVATE_SLOTS + 1) * sizeof(vtask_slot) <= VTASK_WHERE_OFFSET, "the sites stand behind the slots");
#endif

#define BOUNDARY_TOP ((UINT64_C(1) << 30) - 1)
#define BOUNDARY_OPEN (UINT64_C(1) << 30)
#define BOUNDARY_LOCKED (UINT64_C(1) << 31)
#define BOUNDARY_TAG (UINT64_C(1) << 32)

struct private_end {
    struct vtask_worker inlined;
    vtask_slot *slots; /* PRIVATE_SLOTS + 1; the last one only until the library has seen that the rest is full */
    char pad[64];      /* thieves' cache line */
    atomic_u64 a_boundary;
};

static inline uint32_t boundary_top(uint64_t boundary) { return (uint32_t)(boundary & BOUNDARY_TOP); }

static inline vtask_slot *private_infinity(struct private_end *p) { return p->slots + PRIVATE_SLOTS + 1; }

/* --- the owner's --- */

/* While nobody else knows it. `asked`: as if somebody had left a request; one stands for good without membarrier. */
static inline void private_init(struct private_end *p, bool asked) {
    bool works = membarrier_works();
    VTASK_STORE(&p->inlined.bottom, p->slots);
    VTASK_STORE(&p->inlined.limit, asked || !works ? (vtask_slot *)NULL : p->slots + PRIVATE_SLOTS);
    VTASK_STORE(&p->inlined.guard, works ? p->slots : private_infinity(p));
    store_rlx(&p->a_boundary, works ? (uint64_t)0 : BOUNDARY_OPEN); /* whoever makes it known carries it */
}

static inline uint64_t private_lock_owner(struct private_end *p) {
    uint64_t boundary = load_rlx(&p->a_boundary); /* the CAS carries */
    while (!cas_acqrel(&p->a_boundary, &boundary, (boundary & ~BOUNDARY_OPEN) + (BOUNDARY_LOCKED | BOUNDARY_TAG))) { /* [V4] */
    }
    return boundary;
}

static inline void private_unlock_owner(struct private_end *p, uint64_t locked, uint32_t top) {
    uint64_t tag = (locked & ~(BOUNDARY_TAG - 1)) + 2 * BOUNDARY_TAG;
    bool works = membarrier_works();
    VTASK_STORE(&p->inlined.guard, works ? p->slots + top : private_infinity(p)); /* before the tag, which says so */
    store_rel(&p->a_boundary, tag | (works ? (uint64_t)0 : BOUNDARY_OPEN) | top); /* [V4] */
}

static inline uint32_t private_bottom(struct private_end *p) {
    return (uint32_t)(VTASK_LOAD(&p->inlined.bottom) - p->slots);
}

static inline bool private_is_job(const struct vt_child *c) { return ((uintptr_t)c & 1) != 0; }

/* Whether nobody needs the slot: it was emptied, or a job was taken from it (a child stays until its join). */
static inline bool private_is_free(struct private_end *p, uint32_t i, uint32_t top) {
    struct vt_child *c = VTASK_LOAD(&p->slots[i].child);
    return c == NULL || (i < top && private_is_job(c));
}

/* Unlocks, with bottom above the newest slot that somebody needs, but not below `floor`: where the innermost frame
 * began, so that what it leaves behind lies above; and with top at the oldest full one, so that thieves find it at once. */
static inline void private_tidy_owner(struct private_end *p, uint64_t locked, const vtask_slot *floor) {
    uint32_t top = boundary_top(locked), bottom = private_bottom(p);
    while (p->slots + bottom > floor && private_is_free(p, bottom - 1, top)) {
        bottom--;
    }
    while (top < bottom && VTASK_LOAD(&p->slots[top].child) == NULL) {
        top++;
    }
    VTASK_RELEASE(&p->inlined.bottom, p->slots + bottom); /* [V1] */
    private_unlock_owner(p, locked, top < bottom ? top : bottom);
}

/* Empties the slot of a child that is joined; says whether it was private still, and so is the owner's to run. */
static inline bool private_remove_owner(struct private_end *p, vtask_slot *at, const vtask_slot *floor) {
    uint64_t locked = private_lock_owner(p);
    VTASK_STORE(&at->child, (struct vt_child *)NULL);
    private_tidy_owner(p, locked, floor);
    return at >= p->slots + boundary_top(locked);
}

/* Makes up to `most` of the oldest private children the caller's: returns how many slots, and the first of them. */
static inline uint32_t private_give_owner(struct private_end *p, uint32_t most, vtask_slot **first) {
    uint64_t locked = private_lock_owner(p);
    uint32_t top = boundary_top(locked), n = private_bottom(p) - top;
    n = n < most ? n : most;
    *first = p->slots + top;
    private_unlock_owner(p, locked, top + n);
    return n;
}

/* How many slots there are between top and bottom: an estimate, since others take. */
static inline uint32_t private_size_owner(struct private_end *p) {
    return private_bottom(p) - boundary_top(load_rlx(&p->a_boundary)); /* an estimate: carries nothing */
}

static inline bool private_is_asked(struct private_end *p) {
    return VTASK_LOAD(&p->inlined.limit) == NULL; /* a request: carries nothing */
}

/* The request is met. Returns false where requests stand for good. */
static inline bool private_answered_owner(struct private_end *p) {
    if (!membarrier_works()) {
        return false;
    }
    store_seq(&p->inlined.limit, p->slots + PRIVATE_SLOTS); /* [R2] */
    return true;
}

/* --- anybody's --- */

/* Leaves a request; false: one stood already. */
static inline bool private_ask_any(struct private_end *p) {
    if (load_seq(&p->inlined.limit) == NULL) { /* [R1] [R2] [V3] */
        return false;
    }
    store_seq(&p->inlined.limit, (vtask_slot *)NULL);    /* [R1] [V3] */
    VTASK_STORE(&p->inlined.guard, private_infinity(p)); /* its owner may be one who joins only */
    return true;
}

/* The first full slot between top and bottom; PRIVATE_SLOTS + 1: none. */
static inline uint32_t private_oldest(struct private_end *p, uint32_t top) {
    vtask_slot *bottom = load_acq(&p->inlined.bottom); /* [V1] [V2] */
    for (uint32_t i = top; p->slots + i < bottom; i++) {
        if (VTASK_LOAD(&p->slots[i].child) != NULL) {
            return i;
        }
    }
    return PRIVATE_SLOTS + 1;
}

/* Whether there is something to take: a hint, unless a membarrier came before [V3]. What was forked before membarrier was
 * refused cannot be taken before its owner has seen that; his next fork or join does, and tells who sleeps. */
static inline bool private_has_any(struct private_end *p) {
    uint64_t boundary = load_acq(&p->a_boundary); /* [V4] */
    bool reachable = (boundary & BOUNDARY_OPEN) != 0 || membarrier_works();
    return reachable && private_oldest(p, boundary_top(boundary)) <= PRIVATE_SLOTS;
}

/* Takes the oldest child: it is the caller's to run. NULL: there is none, or the owner is at it, or (without `force`)
 * a barrier would be needed. */
static inline struct vt_child *private_take_any(struct private_end *p, bool force) {
    uint64_t boundary = load_acq(&p->a_boundary); /* [V4] */
    if ((boundary & BOUNDARY_LOCKED) != 0) {
        return NULL;
    }
    if ((boundary & BOUNDARY_OPEN) == 0) {
        if (!force || private_oldest(p, boundary_top(boundary)) > PRIVATE_SLOTS) { /* not for an end that looks empty */
            return NULL;
        }
        VTASK_STORE(&p->inlined.guard, private_infinity(p)); /* [V2] */
        if (!membarrier_all()) {                             /* [V2] */
            return NULL;
        }
    }
    uint32_t i = private_oldest(p, boundary_top(boundary));
    if (i > PRIVATE_SLOTS) {
        return NULL;
    }
    struct vt_child *c = VTASK_LOAD(&p->slots[i].child); /* the CAS says that it is still there */
    uint64_t tag = (boundary & ~(BOUNDARY_TAG - 1)) + BOUNDARY_TAG;
    return cas_acqrel(&p->a_boundary, &boundary, tag | BOUNDARY_OPEN | (i + 1)) ? c : NULL; /* [V4] */
}

#endif
