/* vtask/pool.h: the threads that run tasks. C#: ThreadPool and TaskScheduler. */
#ifndef VTASK_POOL_H
#define VTASK_POOL_H

#include <stddef.h>
#include <stdint.h>

#include <vtask/config.h>
#include <vtask/error.h>

/** A pool of worker threads. Opaque; made by task_pool_create() or task_pool_default(). */
typedef struct task_pool task_pool;

/** The largest number of workers a pool may be asked for. */
#define TASK_POOL_WORKERS_MAX 1024u

/** How a pool is to be. Begin with TASK_POOL_OPTIONS_INIT; the call copies what it needs. */
typedef struct task_pool_options {
    size_t size;      /**< sizeof(task_pool_options), set by TASK_POOL_OPTIONS_INIT */
    unsigned workers; /**< 0: the CPUs this process may use (affinity and cgroup quota); at most TASK_POOL_WORKERS_MAX */
    size_t stack_size; /**< bytes of a worker's stack; 0: 8 MiB; at least 64 KiB, at most 1 GiB */
    const char *name;  /**< threads are named <name>-<i>, shortened to what the kernel keeps; NULL: "vtask"; copied */
    unsigned flags;    /**< 0 */
} task_pool_options;

/** The options' first state: everything chosen by the library. */
#define TASK_POOL_OPTIONS_INIT \
    { sizeof(task_pool_options), 0, 0, 0, 0 }

/** One worker thread's counters since the pool was made. */
typedef struct task_worker_stats {
    uint64_t jobs;   /**< jobs this thread began: tasks, and children taken from others */
    uint64_t steals; /**< entries it took from another worker's queue, begun by somebody meanwhile or not */
    uint64_t parks;  /**< times it went to sleep for want of work */
    uint64_t blocks; /**< awaits in which it had to wait for somebody else */
} task_worker_stats;

/** A pool's counters. Set `size` (TASK_POOL_STATS_INIT), and `each` and `each_capacity` where wanted. */
typedef struct task_pool_stats {
    size_t size;             /**< in: sizeof(task_pool_stats) */
    task_worker_stats *each; /**< in: NULL, or room for each_capacity entries; out: the first min(threads, each_capacity) */
    size_t each_capacity; /**< in: entries that `each` has room for */
    unsigned workers;     /**< out: the pool's width: how many jobs run at a time */
    unsigned threads;     /**< out: worker threads made so far; more than the width where awaits had to wait */
    uint64_t jobs;        /**< out: sums over all threads, as in task_worker_stats */
    uint64_t steals;
    uint64_t parks;
    uint64_t blocks;
    uint64_t published; /**< out: children offered to other workers */
    uint64_t spilled;   /**< out: jobs that left a full ring for the pool's inbox */
} task_pool_stats;

/** The statistics' first state: no per-thread table. */
#define TASK_POOL_STATS_INIT \
    { sizeof(task_pool_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

VTASK_BEGIN_DECLS

/**
 * Makes a pool and starts its workers, which block every signal but the synchronous faults.
 *
 * @param pool     where the pool goes; not NULL; untouched on error.
 * @param options  borrowed for the call; NULL: as TASK_POOL_OPTIONS_INIT.
 * Returns 0; EINVAL: `pool` is NULL, or an option is out of its range; ENOMEM: no memory; EAGAIN: not one thread
 * could be started (with fewer threads than asked for the pool is made all the same, and narrower).
 * Any thread, tasks included; does not block. The pool ends with task_pool_close().
 */
VTASK_PUBLIC int task_pool_create(task_pool **pool, const task_pool_options *options) VTASK_SYMBOL(task_pool_create);

/**
 * Runs everything that was submitted, then ends the pool's threads and frees it.
 *
 * Meanwhile submissions from outside get VTASK_E_SHUTDOWN; those of the pool's own tasks are accepted. Tasks outlive
 * their pool: their handles stay good. Who submits from outside must have stopped before this returns: from then on
 * `pool` is freed memory.
 *
 * @param pool  taken over when 0 is returned; as after free() then.
 * Returns 0; EINVAL: NULL; EPERM: called from inside this pool, or it is the default pool; VTASK_E_SHUTDOWN: another
 * thread is closing it; VTASK_E_FORKED: it belongs to the process before fork(); from a task of another pool also
 * VTASK_E_OVERFLOW and EAGAIN, as in task_await(): nothing has happened.
 * Any thread outside the pool; blocks until all is done. Everything submitted happens before the return.
 * C#: TaskScheduler has none; a thread pool's Dispose.
 */
VTASK_PUBLIC int task_pool_close(task_pool *pool) VTASK_SYMBOL(task_pool_close);

/**
 * The pool of the process, made on first use with the default options, never closed; made anew in the child of a fork.
 *
 * Returns it, borrowed; NULL and errno ENOMEM or EAGAIN where it could not be made (the next call tries again).
 * Any thread; blocks only while another thread makes it. C#: TaskScheduler.Default.
 */
VTASK_PUBLIC task_pool *task_pool_default(void) VTASK_SYMBOL(task_pool_default);

/**
 * The pool whose task runs on this thread.
 *
 * Returns it, borrowed, good until the task ends; NULL outside tasks. Any thread; does not block.
 * C#: TaskScheduler.Current.
 */
VTASK_PUBLIC task_pool *task_pool_current(void) VTASK_SYMBOL(task_pool_current);

/**
 * Reads a pool's counters. Each is exact; together they are no snapshot while the pool works.
 *
 * @param pool   borrowed; NULL: `stats` is left alone.
 * @param stats  its `size`, `each` and `each_capacity` are read, the rest is written; NULL: nothing happens.
 * Any thread; does not block.
 */
VTASK_PUBLIC void task_pool_get_stats(task_pool *pool, task_pool_stats *stats) VTASK_SYMBOL(task_pool_get_stats);

VTASK_END_DECLS

#endif
