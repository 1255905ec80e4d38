/* vtask/error.h: the error codes. 0 is success; codes are positive; errno values keep their meaning. */
#ifndef VTASK_ERROR_H
#define VTASK_ERROR_H

#include <vtask/config.h>

/** The library's own codes begin here, above every errno value. */
#define VTASK_E_BASE 4096

/** Every code of the library: X(name, offset from VTASK_E_BASE, text). No call of this version gives VTASK_E_TIMEOUT,
 * _WAIT_CANCELLED, _CANCELLED or _ABANDONED of its own. */
#define VTASK_ERRORS(X)                                                                                            \
    X(VTASK_E_TIMEOUT, 1, "the wait ran out of time; the task goes on and can be awaited again")                   \
    X(VTASK_E_WAIT_CANCELLED, 2, "the wait was cancelled; the task goes on and can be awaited again")              \
    X(VTASK_E_CYCLE, 3, "the awaited task cannot end before the task that awaits it")                              \
    X(VTASK_E_CANCELLED, 4, "the task was cancelled")                                                              \
    X(VTASK_E_ABANDONED, 5, "the promise was released without an outcome")                                         \
    X(VTASK_E_SHUTDOWN, 6, "the pool is closing or closed")                                                        \
    X(VTASK_E_FORKED, 7, "the pool belongs to the process before fork()")                                          \
    X(VTASK_E_OVERFLOW, 8,                                                                                         \
      "a limit of the library is reached: too many threads wait, or too many value-tasks stand before one object") \
    X(VT_E_REPEATED, 32, "the value-task was awaited, converted or discarded again after an await has ended")      \
    X(VT_E_CONCURRENT, 33, "the value-task was awaited, converted or discarded while an await of it is under way") \
    X(VT_E_CONVERTED, 34, "the value-task was used after vt_as_task()")                                            \
    X(VT_E_DISCARDED, 35, "the value-task was used after vt_discard()")                                            \
    X(VT_E_STALE, 36, "the value-task's source has been reset since")                                              \
    X(VT_E_EMPTY, 37, "the struct was never given a value-task")                                                   \
    X(VT_E_CORRUPT, 38, "the value-task's state word is no state at all")                                          \
    X(VT_E_NOT_OWNER, 39, "the child was joined by another task than the one that forked it")

enum vtask_error {
#define VTASK_ERROR_ENUM(name, offset, text) name = VTASK_E_BASE + (offset),
    VTASK_ERRORS(VTASK_ERROR_ENUM)
#undef VTASK_ERROR_ENUM
};

VTASK_BEGIN_DECLS

/**
 * What a code means, in words.
 *
 * @param code  0, an errno value, or one of VTASK_ERRORS; anything else gives "unknown error".
 * Returns a static string, never NULL. Any thread; does not block.
 */
VTASK_PUBLIC const char *vtask_strerror(int code) __asm__("vtask_strerror");

VTASK_END_DECLS

#endif
