/* vtask/worker.h: the owner's half of a worker's private end, inlined: fork and join without a locked instruction.
 *
 * A worker keeps its unjoined children and the jobs it has queued in an array, the newest at `bottom` - 1. It pushes and pops there by plain loads
 * and stores; other workers take the oldest, with the rest of the protocol in lib/sched/private.h, where the proof is.
 * What is here is the library's: programs use vtask/child.h and vtask/typed.h.
 */
#ifndef VTASK_WORKER_H
#define VTASK_WORKER_H

#ifndef VTASK_SHARED /* the protocol's model brings its own */

#include <stddef.h>

#include <vtask/config.h>

/* A word that other threads may touch, and the ways to do so. */
#define VTASK_SHARED(type) type
#define VTASK_LOAD(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define VTASK_STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define VTASK_RELEASE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* The compiler keeps the order here; a membarrier of the other side makes the CPU keep it. */
#define VTASK_LIGHT_BARRIER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

struct vt_child;

#endif

typedef struct vtask_slot {
    VTASK_SHARED(struct vt_child *) child;
} vtask_slot;

/* What inlined code sees of the worker that runs it. */
struct vtask_worker {
    VTASK_SHARED(vtask_slot *) bottom; /* the first free slot; the owner alone writes it */
    VTASK_SHARED(vtask_slot *) limit;  /* a push into a slot below it is all there is to do; NULL: somebody asks */
    VTASK_SHARED(vtask_slot *) guard;  /* slots below it may have been taken by somebody else */
    void **identity;                   /* what runs: who forks a child may join it. *identity: its frame. The owner's */
    char *stack_limit;                 /* below it nothing is run inline. Never changes */
};

/* Says whether that was all; if not, the library must be called. The child is written. */
static inline int vtask_push(struct vtask_worker *w, vtask_slot *at, struct vt_child *c) {
    VTASK_STORE(&at->child, c);
    VTASK_RELEASE(&w->bottom, at + 1); /* [V1] [V2] */
    VTASK_LIGHT_BARRIER();             /* [V3] */
    return at < VTASK_LOAD(&w->limit);
}

/* Takes the child in slot `at` back, if it is the newest, and `c`, and nobody can have taken it: else says no, and nothing
 * has happened. (Asking for `at` and comparing bottom with it, instead of reading bottom, keeps a chain of loads that wait
 * for stores off the fast path.) */
static inline int vtask_pop(struct vtask_worker *w, vtask_slot *at, const struct vt_child *c) {
    if (__builtin_expect(VTASK_LOAD(&w->bottom) - 1 != at || VTASK_LOAD(&at->child) != c, 0)) {
        return 0;
    }
    VTASK_RELEASE(&w->bottom, at); /* [V1] */
    VTASK_LIGHT_BARRIER();         /* [V2] */
    if (__builtin_expect(VTASK_LOAD(&w->guard) > at, 0)) {
        VTASK_RELEASE(&w->bottom, at + 1);
        return 0;
    }
    return 1;
}

#ifdef VTASK_WHERE

VTASK_BEGIN_DECLS

/* The calling worker; NULL on other threads, and in the child of a fork(). */
VTASK_PUBLIC extern __thread struct vtask_worker *vtask_worker_v1 VTASK_SYMBOL(worker_v1)
    __attribute__((tls_model("initial-exec")));

VTASK_END_DECLS

#endif
#endif
