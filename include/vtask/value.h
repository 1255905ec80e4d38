/* vtask/value.h: the one shape of work: a function with an argument, a value and an error code. */
#ifndef VTASK_VALUE_H
#define VTASK_VALUE_H

#include <stdint.h>

/** What a task yields: one machine word, read as its maker meant it. */
typedef union task_value {
    void *ptr;
    int64_t i64;
    uint64_t u64;
    double f64;
} task_value;

/**
 * The work of a task.
 *
 * @param arg     what was given to task_run(), or the task's copy of it (task_options.arg_size > 0).
 * @param result  never NULL; zero on entry; what stands there on return is the task's value if 0 is returned.
 * Returns 0, or an error code that reaches every awaiter unchanged (positive by convention). C#: Func<T>.
 */
typedef int task_fn(void *arg, task_value *result);

#endif
