/* vtask/vt.h: value-tasks: two words, passed by value, awaited once. C#: ValueTask<T>.
 *
 * Most of the time the work a value-task stands for was done synchronously; then nothing is allocated. In return each
 * one may be consumed exactly once, by vt_await(), vt_await_now(), vt_as_task() or vt_discard(). Anything else is
 * detected on the first occasion, from any thread: the offending call returns a VT_E_ code at once, the report goes
 * to the hook of vt_on_misuse(), and the legitimate consumer is undisturbed. Not detected, unless VTASK_OPTIONS
 * holds `checked`: a copy of a READY value-task (it is just a value), and a stored one given to vt_await_now().
 */
#ifndef VTASK_VT_H
#define VTASK_VT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vtask/config.h>
#include <vtask/error.h>
#include <vtask/task.h>
#include <vtask/value.h>

/** A value-task. All zero bytes: none (VT_E_EMPTY). Its members are the library's. */
typedef struct vt {
    uint64_t word;    /**< state, kind, generation and ticket, or the call site that spent it: an atomic word */
    task_value value; /**< the value, the task or the source; once spent, who spent it */
} vt;

/**
 * A completion that its owner uses again and again without allocating. The caller's storage, which outlives every
 * value-task over it; its members are the library's. C#: ManualResetValueTaskSourceCore.
 */
typedef struct vt_source {
    uint64_t word;     /**< generation, awaits under way, tickets out: an atomic word */
    void *waiters;     /**< who waits, or that it is complete: an atomic word */
    task_value value;  /**< the outcome's value */
    const char *where; /**< where it was initialised */
    int error;         /**< the outcome's code */
    uint32_t next;     /**< the next ticket's number: an atomic word */
    uint32_t uses;     /**< how often it was reset, from a number of its own */
    uint64_t magic;    /**< tells an initialised source from other memory */
} vt_source;

/** What the hook of vt_on_misuse() is given; good during the call only. */
typedef struct vt_misuse {
    int code;                    /**< VT_E_..., VTASK_E_CYCLE, or EINVAL (a NULL) */
    const char *where;           /**< "file.c:41": this call; NULL: not known */
    const char *first_where;     /**< the call that spent it, or that forked the child; NULL: not known */
    uint64_t thread;             /**< kernel thread id of this call */
    uint64_t first_thread;       /**< of the call that spent it; 0: not known */
    uint64_t task;               /**< task_id() of this call's task; 0: none */
    uint64_t first_task;         /**< of the task that spent it; 0: none, or not known */
    const char *task_name;       /**< its name, or NULL */
    const char *first_task_name; /**< its name, or NULL */
    const char *origin;          /**< where its task or source was made, or NULL */
    const char *text;            /**< the whole report in words, without a newline at its end */
} vt_misuse;

/**
 * Is told of a misuse, on the offender's thread, before its call returns; may use the library.
 *
 * @param report   good during the call.
 * @param context  as given to vt_on_misuse().
 */
typedef void vt_misuse_fn(const vt_misuse *report, void *context);

VTASK_BEGIN_DECLS

/**
 * A value-task that completed synchronously. Nothing is allocated.
 *
 * @param v  its value. Any thread; does not block. C#: new ValueTask<T>(value).
 */
VTASK_PUBLIC vt vt_from_value(task_value v) VTASK_SYMBOL(vt_from_value);
#define vt_from_value(v) vtask_from_value(v) /* inlined */

/**
 * A value-task that failed synchronously.
 *
 * @param error  its code; 0 makes one that failed with EINVAL. Any thread; does not block.
 * C#: ValueTask.FromException.
 */
VTASK_PUBLIC vt vt_from_error(int error) VTASK_SYMBOL(vt_from_error);

/**
 * A value-task over a task. At most 32 unspent ones may stand before one task at a time, 62 with those being awaited.
 *
 * @param t  the caller's reference is taken over. NULL: a value-task that failed with errno (EINVAL where errno is 0),
 *           so that vt_from_task(task_run(..)) needs no check.
 * Returns it; with so many out already, one that failed with VTASK_E_OVERFLOW, and the reference stays the caller's.
 * Any thread; does not block. C#: new ValueTask<T>(task).
 */
VTASK_PUBLIC vt vt_from_task(task *t) VTASK_SYMBOL(vt_from_task);

/**
 * A value-task over a source's present use. At most 32 unspent ones may stand before it at a time, 62 with those being
 * awaited.
 *
 * @param s  borrowed, initialised; its storage outlives the value-task. NULL or never initialised: a value-task that
 *           failed with EINVAL.
 * Returns it; with so many out already, one that failed with VTASK_E_OVERFLOW. Any thread; does not block.
 * C#: new ValueTask<T>(source, token).
 */
VTASK_PUBLIC vt vt_from_source(vt_source *s) VTASK_SYMBOL(vt_from_source);

/**
 * Waits for the value-task's outcome, and spends it.
 *
 * @param v       the value-task; NULL: EINVAL, reported. Other threads may try to consume it meanwhile: they get their code.
 * @param result  where the value of a success goes; may be NULL; untouched on error.
 * Returns the outcome's code. A misuse: VT_E_REPEATED, _CONCURRENT, _CONVERTED, _DISCARDED, _STALE, _EMPTY, _CORRUPT,
 * at once, and reported. A wait that failed as in task_await() (VTASK_E_CYCLE, VTASK_E_OVERFLOW, EAGAIN,
 * VTASK_E_FORKED) leaves it unspent (discarded, where 32 others over the same task were made meanwhile).
 * Any thread; blocks while it is pending. What the completer did happens before the return. C#: await.
 */
#define vt_await(v, result) vtask_await((v), (result), VTASK_WHERE)
/** vt_await() as a call of the library. @param where  a literal, or NULL. */
VTASK_PUBLIC int vt_await_at(vt *v, task_value *result, const char *where) VTASK_SYMBOL(vt_await_at);

/**
 * Awaits a value-task straight from the call that made it: vt_await_now(next(reader), &value).
 *
 * @param v       no variable holds it, so nobody else can await it: the ready path has no atomic operation.
 * @param result  as in vt_await().
 * Returns as vt_await(); a value-task whose wait failed is discarded. Any thread; blocks while it is pending.
 * C#: await of a call's result.
 */
#define vt_await_now(v, result) vtask_await_now((v), (result), VTASK_WHERE)
/** vt_await_now() as a call of the library. @param where  a literal, or NULL. */
VTASK_PUBLIC int vt_await_now_at(vt v, task_value *result, const char *where) VTASK_SYMBOL(vt_await_now_at);

/* --- what is inlined of these: a value that is there, unchecked --- */

#define VTASK_READY_VALUE 0x5001u /* its whole word */
#define VTASK_UNCHECKED 1u
/* VTASK_UNCHECKED: VTASK_OPTIONS has been read, and does not hold `checked`. */
VTASK_PUBLIC extern uint32_t vtask_checked_v1 VTASK_SYMBOL(checked_v1);
/* What its word becomes by an await, beside the call site above it. */
#define VTASK_AWAITED_VALUE 0x5003u
#define VTASK_CONSUMED_VALUE 0x5404u
/* Who the calling thread is, as a spent value-task keeps it; 0: perhaps in a task, or the library has not been asked. */
VTASK_PUBLIC extern __thread uint64_t vtask_who_v1 VTASK_SYMBOL(who_v1) __attribute__((tls_model("initial-exec")));

static inline vt vtask_from_value(task_value v) {
    vt made;
    if (__builtin_expect(__atomic_load_n(&vtask_checked_v1, __ATOMIC_RELAXED) != VTASK_UNCHECKED, 0)) {
        return (vt_from_value)(v);
    }
    made.word = VTASK_READY_VALUE;
    made.value = v;
    return made;
}

static inline int vtask_await_now(vt v, task_value *result, const char *where) {
    if (__builtin_expect(v.word != VTASK_READY_VALUE, 0)) {
        task_value waited; /* not *result: its address stays here, and the caller's variable in a register */
        int error = vt_await_now_at(v, &waited, where);
        if (error != 0) {
            return error;
        }
        v.value = waited;
    }
    if (result != NULL) {
        *result = v.value;
    }
    return 0;
}

/* The steps of lib/task/word.h. False: not done. (Its locked instruction waits for every store before it, a call's, too.) */
static inline bool vtask_await_value(vt *v, task_value *value, const char *where) {
    uint64_t who = vtask_who_v1, site = (uint64_t)(uintptr_t)where << 16, word = VTASK_READY_VALUE;
    if (who == 0 || v == NULL || __atomic_load_n(&v->word, __ATOMIC_ACQUIRE) != word ||
        !__atomic_compare_exchange_n(&v->word, &word, site | VTASK_AWAITED_VALUE, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        return false;
    }
    value->u64 = __atomic_load_n(&v->value.u64, __ATOMIC_RELAXED);
    __atomic_store_n(&v->value.u64, who, __ATOMIC_RELEASE);
    __atomic_store_n(&v->word, site | VTASK_CONSUMED_VALUE, __ATOMIC_RELEASE);
    return true;
}

static inline int vtask_await(vt *v, task_value *result, const char *where) {
    task_value value;
    if (__builtin_expect(!vtask_await_value(v, &value, where), 0)) {
        task_value waited;
        int error = vt_await_at(v, &waited, where);
        if (error != 0) {
            return error;
        }
        value = waited;
    }
    if (result != NULL) {
        *result = value;
    }
    return 0;
}

/**
 * Whether an await would return at once (with its outcome, or with a misuse's code).
 *
 * @param v  not consumed by this; NULL: true. Any thread; does not block. C#: ValueTask.IsCompleted.
 */
VTASK_PUBLIC bool vt_is_completed(const vt *v) VTASK_SYMBOL(vt_is_completed);

/**
 * Turns the value-task into a task, which anyone may await as often as they like; the value-task is spent.
 *
 * @param v  the value-task.
 * Returns one reference; NULL and errno otherwise: ENOMEM: the value-task is unspent; EINVAL: `v` is NULL; a misuse's
 * VT_E_ code; both reported. Any thread; does not block. C#: ValueTask.AsTask.
 */
#define vt_as_task(v) vt_as_task_at((v), VTASK_WHERE)
/** The function behind vt_as_task(). @param where  a literal that outlives the task, or NULL. */
VTASK_PUBLIC task *vt_as_task_at(vt *v, const char *where) VTASK_SYMBOL(vt_as_task_at);

/**
 * Spends the value-task without waiting; its outcome is not wanted. The work behind it goes on.
 *
 * @param v  the value-task. A misuse is reported, NULL included. Any thread; does not block.
 */
#define vt_discard(v) vt_discard_at((v), VTASK_WHERE)
/** The function behind vt_discard(). @param where  a literal, or NULL. */
VTASK_PUBLIC void vt_discard_at(vt *v, const char *where) VTASK_SYMBOL(vt_discard_at);

/**
 * Makes a source ready for its first use.
 *
 * @param s  the caller's storage; NULL: nothing happens. Not a source that is in use.
 * One thread at a time; does not block.
 */
#define vt_source_init(s) vt_source_init_at((s), VTASK_WHERE)
/** The function behind vt_source_init(). @param where  a literal that outlives the source, or NULL. */
VTASK_PUBLIC void vt_source_init_at(vt_source *s, const char *where) VTASK_SYMBOL(vt_source_init_at);

/**
 * Completes the source's present use with a value.
 *
 * @param s  initialised. @param v  the value.
 * Returns 0; EINVAL: NULL, or never initialised; EALREADY: it is complete already (the first outcome stands).
 * Any thread; does not block. Happens before every await's return. C#: SetResult.
 */
VTASK_PUBLIC int vt_source_set_value(vt_source *s, task_value v) VTASK_SYMBOL(vt_source_set_value);

/**
 * Completes the source's present use with an error.
 *
 * @param s  initialised. @param error  the code, not 0.
 * Returns 0; EINVAL: NULL, never initialised, or `error` is 0; EALREADY: it is complete already.
 * Any thread; does not block. Happens before every await's return. C#: SetException.
 */
VTASK_PUBLIC int vt_source_set_error(vt_source *s, int error) VTASK_SYMBOL(vt_source_set_error);

/**
 * Makes the source ready for its next use; outstanding value-tasks go stale.
 *
 * @param s  initialised.
 * Returns 0; EINVAL: NULL, or never initialised; EBUSY: an await of it is under way, or a task of vt_as_task() waits
 * for it. Any thread; does not block. C#: Reset.
 */
VTASK_PUBLIC int vt_source_reset(vt_source *s) VTASK_SYMBOL(vt_source_reset);

/**
 * Ends a source. Outstanding value-tasks go stale; the storage outlives every one that may still be awaited.
 *
 * @param s  initialised.
 * Returns 0; EINVAL: NULL, or never initialised; EBUSY: as vt_source_reset(). One thread; does not block.
 */
VTASK_PUBLIC int vt_source_fini(vt_source *s) VTASK_SYMBOL(vt_source_fini);

/**
 * Sets who is told of a misuse, in place of one paragraph on stderr.
 *
 * VTASK_OPTIONS=misuse=report|abort|quiet, read once: `quiet` silences the paragraph, `abort` ends the process after
 * the hook or the paragraph.
 *
 * @param fn       NULL: the default again. @param context  passed to `fn`.
 * Any thread; does not block. A call of the former hook may still be under way when this returns.
 */
VTASK_PUBLIC void vt_on_misuse(vt_misuse_fn *fn, void *context) VTASK_SYMBOL(vt_on_misuse);

VTASK_END_DECLS

#endif
