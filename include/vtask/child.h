/* vtask/child.h: structured fork and join: the child lives in its parent's frame, nothing is allocated. */
#ifndef VTASK_CHILD_H
#define VTASK_CHILD_H

#include <stdint.h>

#include <vtask/config.h>
#include <vtask/error.h>
#include <vtask/value.h>
#include <vtask/worker.h>

/** A forked child, in its parent's frame. Its members are the library's. */
typedef struct vt_child {
    uint64_t word;     /**< who runs it, whether it has ended, who waits: an atomic word */
    task_fn *fn;       /**< its work */
    void *arg;         /**< its argument */
    void *owner;       /**< what forked it, which alone may join it; plus 1: a typed child, which is its own argument */
    const char *where; /**< where it was forked; from then on, where it was joined */
    void *at;          /**< its slot in its worker's private end, if it has one */
    void *with;        /**< published: its stand-in on the ring; run by its joiner: the frame it runs in */
    task_value value;  /**< its value, once a thief has ended it */
} vt_child;

/* What inlined code writes into `word`; see lib/sched/child.c. */
#define VTASK_CHILD_PRIVATE 0xc501u
#define VTASK_CHILD_JOINED 0xc507u

VTASK_BEGIN_DECLS

/**
 * Forks a child: fn(arg) may run beside the caller, on any worker that is free, until vt_join().
 *
 * Each child must be joined, once, by the task that forked it, before the function whose frame it lives in returns.
 * A task that ends with a child unjoined aborts the process with both sites: a thief may be writing into a dead frame.
 *
 * @param c    the caller's storage, in the frame that will join it; not NULL (NULL is reported, EINVAL).
 * @param fn   the work; NULL: the join gives EINVAL.
 * @param arg  passed to `fn`; may be NULL; borrowed until the join.
 * Any thread; does not block. Outside a pool's worker the child runs at its join. What the caller did happens before
 * `fn`. C#: no equal; Parallel.Invoke comes nearest.
 */
#define vt_fork(c, fn, arg) vtask_fork((c), (fn), (arg), VTASK_WHERE)
/** vt_fork() as a call of the library. @param where  a literal that outlives the child, or NULL. */
VTASK_PUBLIC void vt_fork_at(vt_child *c, task_fn *fn, void *arg, const char *where) VTASK_SYMBOL(vt_fork_at);

/**
 * Joins a child: runs it here if nobody has begun it, else waits for it.
 *
 * @param c       forked by this task and not joined yet; NULL: EINVAL, reported.
 * @param result  where the value of a success goes; may be NULL; untouched on error.
 * Returns the child's code: 0 or what its function returned. VTASK_E_OVERFLOW, EAGAIN: this stack is full, and the pool
 * has no other thread for the child: it has not run, and never will. Misuse, reported: VT_E_REPEATED: joined already;
 * VT_E_NOT_OWNER: another task forked it (that one can still join it); VT_E_EMPTY: all zero bytes; VT_E_CORRUPT.
 * VTASK_E_FORKED, not reported: it was forked in the process before fork().
 * The task that forked it; blocks while another worker runs it. The child happens before the return.
 */
#define vt_join(c, result) vtask_join((c), (result), VTASK_WHERE)
/** vt_join() as a call of the library. @param where  a literal, or NULL. */
VTASK_PUBLIC int vt_join_at(vt_child *c, task_value *result, const char *where) VTASK_SYMBOL(vt_join_at);

/* --- what the inlined code calls, and the inlined code; programs use the macros --- */

/** A fork or join that inlined code cannot do alone. As vt_fork_at() and vt_join_at(). */
VTASK_PUBLIC void vt_child_fork(vt_child *c, task_fn *fn, void *arg, const char *where) VTASK_SYMBOL(vt_child_fork);
VTASK_PUBLIC int vt_child_join(vt_child *c, task_value *result, const char *where) VTASK_SYMBOL(vt_child_join);
/** The rest of a fork, where somebody asks for work or the private end is full. The task that forked `c`, at once. */
VTASK_PUBLIC void vt_child_pushed(vt_child *c) VTASK_SYMBOL(vt_child_pushed);
/** What the calling worker ran, beginning with `bottom`, has ended and left more behind: tidies up after joins that were
 * out of order; ends the process if a child is unjoined. */
VTASK_PUBLIC void vt_child_left(void *bottom) VTASK_SYMBOL(vt_child_left) __attribute__((cold));

/* So far behind each slot stands where its child was forked: the owner's, for when the child's own frame is gone. (Not a
 * multiple of 4 KiB: a CPU may take a load for that of a store which is so far away.) */
#define VTASK_WHERE_OFFSET ((sizeof(void *) == 8 ? 8u << 20 : 64u << 10) + 2048u)

static inline const char **vtask_slot_where(vtask_slot *at) {
    return (const char **)(void *)((char *)at + VTASK_WHERE_OFFSET);
}

/* Makes it the newest child of the calling worker; its arguments are written. */
static inline void vtask_child_push(struct vtask_worker *w, vtask_slot *at, vt_child *c, const char *where) {
    c->where = where;
    *vtask_slot_where(at) = where;
    c->at = at;
    c->word = VTASK_CHILD_PRIVATE;
    if (__builtin_expect(!vtask_push(w, at, c), 0)) {
        vt_child_pushed(c);
    }
}

/* Nothing is left to do for a join, here. Stores that a compiler can drop where the child's scope ends. */
static inline void vtask_child_joined(vt_child *c, const char *where) {
    c->where = where;
    c->word = VTASK_CHILD_JOINED;
}

static inline void vtask_fork(vt_child *c, task_fn *fn, void *arg, const char *where) {
    struct vtask_worker *w = vtask_worker_v1;
    if (__builtin_expect(w == NULL || c == NULL || fn == NULL, 0)) {
        vt_child_fork(c, fn, arg, where);
    } else {
        vtask_slot *at = VTASK_LOAD(&w->bottom);
        c->fn = fn;
        c->arg = arg;
        c->owner = w->identity;
        vtask_child_push(w, at, c, where);
    }
}

static inline int vtask_join(vt_child *c, task_value *result, const char *where) {
    struct vtask_worker *w = vtask_worker_v1;
    task_value value;
    value.u64 = 0;
    if (__builtin_expect(w == NULL || c == NULL || (char *)&value <= w->stack_limit, 0)) {
        return vt_child_join(c, result, where);
    }
    vtask_slot *at = (vtask_slot *)c->at;
    void **identity = w->identity;
    if (__builtin_expect(c->owner != identity || VTASK_LOAD(&c->word) != VTASK_CHILD_PRIVATE || !vtask_pop(w, at, c), 0)) {
        return vt_child_join(c, result, where);
    }
    c->with = *identity;
    w->identity = &c->with;
    int error = c->fn(c->arg, &value);
    w->identity = identity;
    if (__builtin_expect(VTASK_LOAD(&w->bottom) > at, 0)) {
        vt_child_left(at);
    }
    vtask_child_joined(c, where);
    if (error == 0 && result != NULL) {
        *result = value;
    }
    return error;
}

VTASK_END_DECLS

#endif
