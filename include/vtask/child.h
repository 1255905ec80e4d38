/* vtask/child.h: structured fork and join: the child lives in its parent's frame, nothing is allocated. */
#ifndef VTASK_CHILD_H
#define VTASK_CHILD_H

#include <stdint.h>

#include <vtask/config.h>
#include <vtask/error.h>
#include <vtask/value.h>

/** A forked child, in its parent's frame. Its members are the library's. */
typedef struct vt_child {
    uint64_t word;          /**< who runs it, whether it has ended, who waits: an atomic word */
    task_fn *fn;            /**< its work */
    void *arg;              /**< its argument */
    task_value value;       /**< its value, once it has ended */
    struct vt_child *older; /**< private: the next older child; published: its ticket */
    struct vt_child *newer; /**< private: the next newer child */
    void *owner;            /**< the frame that forked it, which alone may join it */
    const char *where;      /**< where it was forked */
} vt_child;

/* The low byte of `word` once the child has been joined. */
#define VTASK_CHILD_JOINED 7u

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
#define vt_fork(c, fn, arg) vt_fork_at((c), (fn), (arg), VTASK_WHERE)
/** The function behind vt_fork(). @param where  a literal that outlives the child, or NULL. */
VTASK_PUBLIC void vt_fork_at(vt_child *c, task_fn *fn, void *arg, const char *where) VTASK_SYMBOL(vt_fork_at);

/**
 * Joins a child: runs it here if nobody has begun it, else waits for it.
 *
 * @param c       forked by this task and not joined yet; NULL: EINVAL, reported.
 * @param result  where the value of a success goes; may be NULL; untouched on error.
 * Returns the child's code: 0 or what its function returned. VTASK_E_OVERFLOW, EAGAIN: this stack is full, and the pool
 * has no other thread for the child: it has not run, and never will. Misuse, reported: VT_E_REPEATED: joined already;
 * VT_E_NOT_OWNER: another task forked it (that one can still join it); VT_E_EMPTY: all zero bytes; VT_E_CORRUPT.
 * The task that forked it; blocks while another worker runs it. The child happens before the return.
 */
#define vt_join(c, result) vt_join_at((c), (result), VTASK_WHERE)
/** The function behind vt_join(). @param where  a literal, or NULL. */
VTASK_PUBLIC int vt_join_at(vt_child *c, task_value *result, const char *where) VTASK_SYMBOL(vt_join_at);

VTASK_END_DECLS

#endif
