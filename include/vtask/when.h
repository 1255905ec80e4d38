/* vtask/when.h: combinators: one task, or one loop, over many. Tasks only: a value-task is converted first. */
#ifndef VTASK_WHEN_H
#define VTASK_WHEN_H

#include <stddef.h>

#include <vtask/config.h>
#include <vtask/error.h>
#include <vtask/task.h>
#include <vtask/vt.h>

/**
 * Is called by when_each() for each task that has ended.
 *
 * @param context  as given to when_each(). @param index  the task's place in the array.
 * @param done     the task, borrowed, ended.
 * Returns 0 to go on; anything else stops, and when_each() returns it.
 */
typedef int when_each_fn(void *context, size_t index, task *done);

#define VTASK_ONLY_TASKS \
    "combinators take tasks only: a value-task may be awaited once. Convert each value-task with vt_as_task() first"

VTASK_BEGIN_DECLS

/** The function behind when_all(). @param where  a literal that outlives the task, or NULL. */
VTASK_PUBLIC task *when_all_at(task *const tasks[], size_t n, const char *where) VTASK_SYMBOL(when_all_at);

/** The function behind when_any(). @param where  a literal that outlives the task, or NULL. */
VTASK_PUBLIC task *when_any_at(task *const tasks[], size_t n, const char *where) VTASK_SYMBOL(when_any_at);

/** The function behind when_each(). @param where  a literal, or NULL. */
VTASK_PUBLIC int when_each_at(task *const tasks[], size_t n, when_each_fn *fn, void *context, const char *where)
    VTASK_SYMBOL(when_each_at);

VTASK_END_DECLS

/**
 * task *when_all(task *const tasks[], size_t n): a task that ends when all have ended.
 *
 * @param tasks  n tasks, borrowed for the call (the result retains what it needs); duplicates are fine; NULL if n is 0.
 * @param n      how many; 0: the result has ended already.
 * Returns one reference to a task whose code is that of the first failing index, or 0, and whose value is zero; NULL
 * and errno: EINVAL: an entry (or, n > 0, the array) is NULL; ENOMEM. Awaiting it on a worker of their pool runs the
 * tasks nobody has begun. Any thread; does not block. All the tasks happen before its end. C#: Task.WhenAll.
 */
#define when_all(...) VTASK_TASKS_ONLY(when_all_at, __VA_ARGS__)(__VA_ARGS__, VTASK_WHERE)

/**
 * task *when_any(task *const tasks[], size_t n): a task that ends when the first of them has ended.
 *
 * The losers are let go at once: over a short task and one that never ends it can be repeated in bounded memory.
 *
 * @param tasks  n tasks, borrowed for the call; duplicates are fine.
 * @param n      how many, at least 1.
 * Returns one reference to a task that succeeds with value.u64 the index that ended first (several have ended
 * already: the lowest); its own code is 0 even if that task failed. NULL and errno: EINVAL: n is 0, or an entry is
 * NULL; ENOMEM. Any thread; does not block. The task that ended first happens before its end. C#: Task.WhenAny.
 */
#define when_any(...) VTASK_TASKS_ONLY(when_any_at, __VA_ARGS__)(__VA_ARGS__, VTASK_WHERE)

/**
 * int when_each(task *const tasks[], size_t n, when_each_fn *fn, void *context): awaits all, and calls `fn` for each
 * in order of completion.
 *
 * Those that had ended before the call come first, in the order of the array.
 *
 * @param tasks    n tasks, borrowed for the call; duplicates are fine; NULL if n is 0.
 * @param n        how many; 0: returns 0 at once.
 * @param fn       called on the caller's thread, one call at a time; not NULL.
 * @param context  passed to `fn`.
 * Returns 0; what `fn` returned, if not 0 (the rest are let go); EINVAL: `fn` or an entry is NULL; ENOMEM, before the
 * first call of `fn`; or the code of a wait that failed, as in task_await(). Any thread; blocks.
 * On a worker of their pool it runs tasks nobody has begun before it waits, so a later end may be told late.
 * O(n) in all. Each task happens before its call of `fn`. C#: Task.WhenEach.
 */
#define when_each(...) \
    ((void)__extension__ sizeof(VTASK_EACH_TASKS_ONLY(__VA_ARGS__)), when_each_at(__VA_ARGS__, VTASK_WHERE))

/* The gate: a value-task where tasks belong is an error at compile time whose text names vt_as_task(). */
#ifndef __cplusplus

/* Never defined: what a call of when_all() or when_any() with value-tasks becomes. */
task *vtask_takes_tasks_only__convert_each_value_task_with_vt_as_task(const vt *first, size_t n, const char *where)
    __attribute__((error(VTASK_ONLY_TASKS)));

#define VTASK_TASKS_ONLY(function, ...) \
    _Generic(__builtin_choose_expr(1, __VA_ARGS__),                                        \
             vt: vtask_takes_tasks_only__convert_each_value_task_with_vt_as_task,          \
             vt *: vtask_takes_tasks_only__convert_each_value_task_with_vt_as_task,        \
             const vt *: vtask_takes_tasks_only__convert_each_value_task_with_vt_as_task,  \
             default: function)

typedef union tasks_only__convert_each_value_task_with_vt_as_task {
    task *const *borrowed;
    task **own;
} tasks_only__convert_each_value_task_with_vt_as_task __attribute__((transparent_union));

/* Never defined nor called: its parameter refuses what is no array of tasks. */
char when_each_takes_tasks_only__convert_each_value_task_with_vt_as_task(
    tasks_only__convert_each_value_task_with_vt_as_task tasks, size_t n, when_each_fn *fn, void *context);
#define VTASK_EACH_TASKS_ONLY(...) when_each_takes_tasks_only__convert_each_value_task_with_vt_as_task(__VA_ARGS__)

#else

#if defined(__has_attribute) && __has_attribute(unavailable)
#define VTASK_REFUSED __attribute__((unavailable(VTASK_ONLY_TASKS)))
#else
#define VTASK_REFUSED __attribute__((error(VTASK_ONLY_TASKS)))
#endif

extern "C++" {

template <class T> struct vtask_is_vt {};
template <> struct vtask_is_vt<vt> { typedef int yes; };
template <> struct vtask_is_vt<const vt> { typedef int yes; };

/* Templates, so that a NULL or a nullptr still means an array of tasks. */
template <class T, typename vtask_is_vt<T>::yes = 0>
VTASK_REFUSED task *when_all_at(T *tasks, size_t n, const char *where);
/* when_any_at() over value-tasks. */
template <class T, typename vtask_is_vt<T>::yes = 0>
VTASK_REFUSED task *when_any_at(T *tasks, size_t n, const char *where);
/* when_each_at() over value-tasks. */
template <class T, typename vtask_is_vt<T>::yes = 0>
VTASK_REFUSED int when_each_at(T *tasks, size_t n, when_each_fn *fn, void *context, const char *where);
}

#define VTASK_TASKS_ONLY(function, ...) function
#define VTASK_EACH_TASKS_ONLY(...) char

#endif

#endif
