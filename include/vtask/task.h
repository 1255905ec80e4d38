/* vtask/task.h: tasks: on the heap, shared, awaited by anyone as often as they like. C#: Task and Task<T>. */
#ifndef VTASK_TASK_H
#define VTASK_TASK_H

#include <stddef.h>
#include <stdint.h>

#include <vtask/config.h>
#include <vtask/error.h>
#include <vtask/pool.h>
#include <vtask/value.h>

/** A unit of work and its outcome. Opaque, counted: task_retain() and task_release(). */
typedef struct task task;

/** Every state of a task: X(name). Those from TASK_SUCCEEDED on are final. C#: TaskStatus. */
#define TASK_STATUSES(X) \
    X(TASK_PENDING)      \
    X(TASK_QUEUED)       \
    X(TASK_RUNNING)      \
    X(TASK_SUCCEEDED)    \
    X(TASK_FAILED)       \
    X(TASK_CANCELLED)

/** TASK_PENDING: waits for something else than a worker (a combinator's task); TASK_QUEUED: not begun. No call of this
 * version gives TASK_CANCELLED. */
enum task_status {
#define TASK_STATUS_ENUM(name) name,
    TASK_STATUSES(TASK_STATUS_ENUM)
#undef TASK_STATUS_ENUM
};

/** The task gets a thread of its own, beside the pool's workers: for work that blocks or takes very long. */
#define TASK_LONG_RUNNING 1u

/** How a task is to be. Begin with TASK_OPTIONS_INIT; the call copies what it needs. C#: TaskCreationOptions. */
typedef struct task_options {
    size_t size;                 /**< sizeof(task_options), set by TASK_OPTIONS_INIT */
    task_pool *pool;             /**< NULL: the current pool, else the default pool */
    const char *name;            /**< borrowed, outlives the task (a literal); NULL: none */
    size_t arg_size;             /**< > 0: this many bytes at `arg` are copied into the task, aligned as max_align_t */
    void (*free_arg)(void *arg); /**< called once for the argument (its copy if arg_size > 0): after the function has
                                               returned and before any await ends; NULL: nothing */
    void (*free_value)(task_value value); /**< called once, for a success, when the last reference goes; must not
                                               wait for other tasks; NULL: nothing */
    unsigned flags;                       /**< 0 or TASK_LONG_RUNNING */
} task_options;

/** The options' first state. */
#define TASK_OPTIONS_INIT \
    { sizeof(task_options), 0, 0, 0, 0, 0, 0 }

VTASK_BEGIN_DECLS

/**
 * Hands fn(arg) to the current pool, or to the default pool outside of tasks.
 *
 * @param fn   the work; not NULL.
 * @param arg  passed to `fn`; may be NULL; stays the caller's, who keeps it good until the task has ended.
 * Returns one reference, to be released with task_release() or task_join(); NULL and errno otherwise: EINVAL: `fn` is
 * NULL; ENOMEM; EAGAIN: the default pool's threads could not be started; VTASK_E_SHUTDOWN: the pool is closing;
 * VTASK_E_FORKED: the pool is the parent process's.
 * Any thread; does not block. What the caller did before happens before `fn`. C#: Task.Run.
 */
#define task_run(fn, arg) task_run_at((fn), (arg), VTASK_WHERE)
/** The function behind task_run(). @param where  a literal "file.c:41" that outlives the task, or NULL. */
VTASK_PUBLIC task *task_run_at(task_fn *fn, void *arg, const char *where) VTASK_SYMBOL(task_run_at);

/**
 * task_run() with options.
 *
 * @param options  borrowed for the call; NULL: as TASK_OPTIONS_INIT.
 * @param fn       the work; not NULL.
 * @param arg      passed to `fn`, or copied (options->arg_size); not NULL if arg_size > 0.
 * Returns as task_run(); besides EINVAL: options->size is too small or too large, an unknown flag, a NULL `arg` to
 * copy, an `arg_size` over PTRDIFF_MAX / 2; EAGAIN: no thread for TASK_LONG_RUNNING. When it fails, the argument
 * stays the caller's and free_arg is not called.
 * Any thread; does not block. C#: TaskFactory.StartNew.
 */
#define task_run_with(options, fn, arg) task_run_with_at((options), (fn), (arg), VTASK_WHERE)
/** The function behind task_run_with(). @param where  a literal that outlives the task, or NULL. */
VTASK_PUBLIC task *task_run_with_at(const task_options *options, task_fn *fn, void *arg, const char *where)
    VTASK_SYMBOL(task_run_with_at);

/**
 * Waits until the task has ended, and gives its outcome.
 *
 * A worker of the task's own pool that awaits a task nobody has begun runs it itself, at once. In any other case it
 * waits, and the pool lets another thread work in its place.
 *
 * @param t       borrowed: somebody's reference keeps it alive until this returns. NULL: EINVAL.
 * @param result  where the value of a success goes; may be NULL; untouched on error.
 * Returns the task's own code: 0 or what its function returned. Or, where the wait itself failed, the task goes on
 * and can be awaited again: VTASK_E_CYCLE: the task cannot end before its awaiter, as it is the current task or one
 * that waits for it on this stack (reported through vt_on_misuse, too); VTASK_E_OVERFLOW: the pool has 256 threads (or
 * twice its width) and all wait; EAGAIN: no thread could be started to work in this one's place (a task's own EAGAIN
 * looks the same: task_status() tells them apart); VTASK_E_FORKED: the task was left behind in the process before fork().
 * Any thread, any number of times; blocks. The task's function happens before the return. C#: await, Task.Wait.
 */
#define task_await(t, result) task_await_at((t), (result), VTASK_WHERE)
/** The function behind task_await(). @param where  a literal, or NULL. */
VTASK_PUBLIC int task_await_at(task *t, task_value *result, const char *where) VTASK_SYMBOL(task_await_at);

/**
 * task_await(), then task_release(), on every code.
 *
 * A value that options.free_value looks after is gone with the last reference: to use one, await, use, release.
 *
 * @param t       taken over. NULL: EINVAL.
 * @param result  as in task_await().
 * Returns as task_await(). Any thread that holds a reference; blocks. C#: await of a task nobody else holds.
 */
#define task_join(t, result) task_join_at((t), (result), VTASK_WHERE)
/** The function behind task_join(). @param where  a literal, or NULL. */
VTASK_PUBLIC int task_join_at(task *t, task_value *result, const char *where) VTASK_SYMBOL(task_join_at);

/**
 * Takes one more reference.
 *
 * @param t  a task of which the caller holds a reference; NULL gives NULL.
 * Returns `t`. Any thread; does not block.
 */
VTASK_PUBLIC task *task_retain(task *t) VTASK_SYMBOL(task_retain);

/**
 * Gives one reference back. A task that has not ended goes on; its outcome is dropped when it has.
 *
 * @param t  taken over; NULL: nothing happens.
 * Any thread; does not block (the last reference runs options.free_value here).
 */
VTASK_PUBLIC void task_release(task *t) VTASK_SYMBOL(task_release);

/**
 * Where the task stands. Only a final state (TASK_SUCCEEDED and up) is news that stays true.
 *
 * @param t  borrowed; NULL: TASK_FAILED, and errno EINVAL.
 * Any thread; does not block. When it returns a final state, the task's function happened before. C#: Task.Status.
 */
VTASK_PUBLIC enum task_status task_status(const task *t) VTASK_SYMBOL(task_status);

/**
 * A number that no other task of this process has. @param t  borrowed; NULL: 0. Any thread; does not block.
 * C#: Task.Id.
 */
VTASK_PUBLIC uint64_t task_id(const task *t) VTASK_SYMBOL(task_id);

/** The name in its options, or NULL. @param t  borrowed; NULL: NULL. Any thread; does not block. */
VTASK_PUBLIC const char *task_name(const task *t) VTASK_SYMBOL(task_name);

/**
 * The task that runs on this thread; in a vt_fork()'s child, the task that forked it.
 *
 * Returns it, borrowed, good until it ends; NULL outside tasks. While it runs it may be retained, so that a task can hand
 * itself on. Any thread; does not block. C#: Task.CurrentId.
 */
VTASK_PUBLIC task *task_current(void) VTASK_SYMBOL(task_current);

/**
 * Puts the current task at the end of the pool's queue: what this worker and others outside have queued before has its
 * turn first. Where nothing is queued, and outside of pools, as sched_yield().
 *
 * Returns 0; VTASK_E_OVERFLOW or EAGAIN: no thread to run the others (nothing has happened).
 * Any thread; blocks where work is queued. C#: Task.Yield.
 */
VTASK_PUBLIC int task_yield(void) VTASK_SYMBOL(task_yield);

/**
 * A task that has already succeeded.
 *
 * @param v  its value.
 * Returns one reference; NULL and errno ENOMEM. Any thread; does not block. C#: Task.FromResult.
 */
#define task_from_value(v) task_from_value_at((v), VTASK_WHERE)
/** The function behind task_from_value(). @param where  a literal that outlives the task, or NULL. */
VTASK_PUBLIC task *task_from_value_at(task_value v, const char *where) VTASK_SYMBOL(task_from_value_at);

/**
 * A task that has already failed.
 *
 * @param error  its code, not 0.
 * Returns one reference; NULL and errno: EINVAL: `error` is 0; ENOMEM. Any thread; does not block.
 * C#: Task.FromException.
 */
#define task_from_error(error) task_from_error_at((error), VTASK_WHERE)
/** The function behind task_from_error(). @param where  a literal that outlives the task, or NULL. */
VTASK_PUBLIC task *task_from_error_at(int error, const char *where) VTASK_SYMBOL(task_from_error_at);

/**
 * The outcome's code, without waiting.
 *
 * @param t  borrowed; NULL: EINVAL.
 * Returns EAGAIN while the task has not ended (task_status() tells that from a task's own EAGAIN); then 0 or what its
 * function returned.
 * Any thread; does not block. The function of a task that has ended happens before the return. C#: Task.Exception.
 */
VTASK_PUBLIC int task_error(const task *t) VTASK_SYMBOL(task_error);

VTASK_END_DECLS

#endif
