/* vtask/typed.h: fork and join that a compiler can check: children with parameters and a result of their own types.
 *
 *     VT_FUNCTION_1(int64_t, fib, int64_t, n) {
 *         if (n < 2) return n;
 *         VT_FORK_1(fib, left, n - 1);
 *         int64_t right = fib(n - 2);
 *         return VT_JOIN(fib, left) + right;
 *     }
 *
 * VT_FUNCTION_n(T, name, T1, a1, ..) begins the definition of a static function T name(T1 a1, ..) with n parameters, 0 to
 * 6, that can be called as any other and can be forked; VT_PROCEDURE_n(name, T1, a1, ..) that of a void one. A type is
 * one that declares a variable in front of its name (a typedef where it does not), and can be assigned to.
 *
 * VT_FORK_n(name, child, x1, ..) declares a child of that name in this scope and forks it: name(x1, ..) may run beside
 * the caller, on any worker that is free, until it is joined. Outside a pool it runs at its join. It is a declaration:
 * it stands in a block, not alone behind an `if`. Any thread; does not block. What the caller did happens before the
 * function. C#: no equal; Parallel.Invoke comes nearest.
 *
 * VT_JOIN(name, child) gives the function's result (nothing, of a procedure): runs it here if nobody has begun it, else
 * waits for it; the function happens before the result. Where this stack is full and the pool has no other thread, it
 * runs here all the same, since it has no way to say so. Misuse, reported: a second join (VT_E_REPEATED), and one by
 * another task (VT_E_NOT_OWNER), yield zero; so does, unreported, a join after fork() in the other process. A typed child
 * that joins its parent's child by address, on the parent's thread, is seen as the first of two joins. A child whose scope ends unjoined is joined there, and reported
 * with the code EINVAL and the line that forked it; of a scope left by longjmp() the task's end aborts, as with vt_fork().
 */
#ifndef VTASK_TYPED_H
#define VTASK_TYPED_H

#include <errno.h>
#include <stddef.h>

#include <vtask/child.h>
#include <vtask/config.h>
#include <vtask/error.h>
#include <vtask/value.h>

VTASK_BEGIN_DECLS

/* Whether a typed child's scope may end: it was joined. A plain load, which the compiler can do without where it sees
 * the join; under ThreadSanitizer one that may meet the thief of a forgotten child. */
static inline int vtask_child_is_joined(const vt_child *c) {
#ifdef VTASK_THREAD_SANITIZER
    uint64_t word = VTASK_LOAD(&c->word);
#else
    uint64_t word = c->word;
#endif
    return word == VTASK_CHILD_JOINED;
}

/* Forks a typed child: what it runs takes the child itself. */
static inline void vtask_child_fork(vt_child *c, task_fn *fn, const char *where) {
    struct vtask_worker *w = vtask_worker_v1;
    if (__builtin_expect(w == NULL, 0)) {
        vt_child_fork(c, fn, c, where);
    } else {
        vtask_slot *at = VTASK_LOAD(&w->bottom);
        c->fn = fn;
        c->owner = (char *)w->identity + 1;
        vtask_child_push(w, at, c, where);
    }
}

/* Takes a typed child back, to be run here. It lies in the frame that joins it, so its address says whether there is room
 * on this stack. */
static inline int vtask_child_pop(const vt_child *c) {
    struct vtask_worker *w = vtask_worker_v1;
    return w != NULL && (const char *)c > w->stack_limit && c->owner == (char *)w->identity + 1 &&
           vtask_pop(w, (vtask_slot *)c->at, c);
}

/**
 * Reports that a typed child's scope ended with it unjoined; the macros then join it.
 *
 * @param c  forked, not joined; NULL is ignored. The task that forked it; does not block.
 */
VTASK_PUBLIC void vt_child_forgotten(const vt_child *c) VTASK_SYMBOL(vt_child_forgotten);

VTASK_END_DECLS

#define VTASK_SLOW static __attribute__((noinline, cold, unused))

/* Whether the child must be run by the joiner: nobody has run it, nobody will. */
#define VTASK_IS_UNRUN(code) ((code) == VTASK_E_OVERFLOW || (code) == EAGAIN)

#define VTASK_TYPED(name)                                                 \
    static inline void name##_vt_end_scope(struct name##_vt *child_) {    \
        if (__builtin_expect(!vtask_child_is_joined(&child_->head), 0)) { \
            vt_child_forgotten(&child_->head);                            \
            (void)name##_vt_join(child_, child_->head.where);             \
        }                                                                 \
    }

#define VTASK_FUNCTION(T, name, parameters, fields, arguments)                       \
    static T name parameters;                                                        \
    struct name##_vt {                                                               \
        vt_child head;                                                               \
        T value;                                                                     \
        fields                                                                       \
    };                                                                               \
    static inline int name##_vt_run(void *self_, task_value *none_) {                \
        struct name##_vt *child_ = (struct name##_vt *)self_;                        \
        (void)none_;                                                                 \
        child_->value = name arguments;                                              \
        return 0;                                                                    \
    }                                                                                \
    VTASK_SLOW T name##_vt_join_slow(struct name##_vt *child_, const char *where_) { \
        T zero_;                                                                     \
        int code_ = vt_child_join(&child_->head, NULL, where_);                      \
        if (code_ == 0) {                                                            \
            return child_->value;                                                    \
        }                                                                            \
        if (VTASK_IS_UNRUN(code_)) {                                                 \
            return name arguments;                                                   \
        }                                                                            \
        __builtin_memset(&zero_, 0, sizeof zero_);                                   \
        return zero_;                                                                \
    }                                                                                \
    static inline T name##_vt_join(struct name##_vt *child_, const char *where_) {   \
        if (__builtin_expect(!vtask_child_pop(&child_->head), 0)) {                  \
            return name##_vt_join_slow(child_, where_);                              \
        }                                                                            \
        T value_ = name arguments;                                                   \
        vtask_child_joined(&child_->head, where_);                                   \
        return value_;                                                               \
    }                                                                                \
    VTASK_TYPED(name)                                                                \
    static T name parameters

#define VTASK_PROCEDURE(name, parameters, fields, arguments)                            \
    static void name parameters;                                                        \
    struct name##_vt {                                                                  \
        vt_child head;                                                                  \
        fields                                                                          \
    };                                                                                  \
    static inline int name##_vt_run(void *self_, task_value *none_) {                   \
        struct name##_vt *child_ = (struct name##_vt *)self_;                           \
        (void)none_;                                                                    \
        (void)child_;                                                                   \
        name arguments;                                                                 \
        return 0;                                                                       \
    }                                                                                   \
    VTASK_SLOW void name##_vt_join_slow(struct name##_vt *child_, const char *where_) { \
        int code_ = vt_child_join(&child_->head, NULL, where_);                         \
        if (VTASK_IS_UNRUN(code_)) {                                                    \
            name arguments;                                                             \
        }                                                                               \
    }                                                                                   \
    static inline void name##_vt_join(struct name##_vt *child_, const char *where_) {   \
        if (__builtin_expect(!vtask_child_pop(&child_->head), 0)) {                     \
            name##_vt_join_slow(child_, where_);                                        \
        } else {                                                                        \
            name arguments;                                                             \
            vtask_child_joined(&child_->head, where_);                                  \
        }                                                                               \
    }                                                                                   \
    VTASK_TYPED(name)                                                                   \
    static void name parameters

#define VTASK_FORK(name, child, stores)                                   \
    struct name##_vt child __attribute__((cleanup(name##_vt_end_scope))); \
    stores vtask_child_fork(&child.head, name##_vt_run, VTASK_WHERE)

/** Joins the child of that function or procedure. */
#define VT_JOIN(name, child) name##_vt_join(&(child), VTASK_WHERE)

#define VT_FUNCTION_0(T, name) VTASK_FUNCTION(T, name, (void), , ())
#define VT_PROCEDURE_0(name) VTASK_PROCEDURE(name, (void), , ())
#define VT_FORK_0(name, child) VTASK_FORK(name, child, )

#define VT_FUNCTION_1(T, name, T1, a1) VTASK_FUNCTION(T, name, (T1 a1), T1 vt_1;, (child_->vt_1))
#define VT_PROCEDURE_1(name, T1, a1) VTASK_PROCEDURE(name, (T1 a1), T1 vt_1;, (child_->vt_1))
#define VT_FORK_1(name, child, x1) VTASK_FORK(name, child, child.vt_1 = (x1);)

#define VT_FUNCTION_2(T, name, T1, a1, T2, a2) \
    VTASK_FUNCTION(T, name, (T1 a1, T2 a2), T1 vt_1; T2 vt_2;, (child_->vt_1, child_->vt_2))
#define VT_PROCEDURE_2(name, T1, a1, T2, a2) \
    VTASK_PROCEDURE(name, (T1 a1, T2 a2), T1 vt_1; T2 vt_2;, (child_->vt_1, child_->vt_2))
#define VT_FORK_2(name, child, x1, x2) VTASK_FORK(name, child, child.vt_1 = (x1); child.vt_2 = (x2);)

#define VT_FUNCTION_3(T, name, T1, a1, T2, a2, T3, a3) \
    VTASK_FUNCTION(T, name, (T1 a1, T2 a2, T3 a3), T1 vt_1; T2 vt_2; T3 vt_3;, (child_->vt_1, child_->vt_2, child_->vt_3))
#define VT_PROCEDURE_3(name, T1, a1, T2, a2, T3, a3) \
    VTASK_PROCEDURE(name, (T1 a1, T2 a2, T3 a3), T1 vt_1; T2 vt_2; T3 vt_3;, (child_->vt_1, child_->vt_2, child_->vt_3))
#define VT_FORK_3(name, child, x1, x2, x3) \
    VTASK_FORK(name, child, child.vt_1 = (x1); child.vt_2 = (x2); child.vt_3 = (x3);)

#define VT_FUNCTION_4(T, name, T1, a1, T2, a2, T3, a3, T4, a4)                                \
    VTASK_FUNCTION(T, name, (T1 a1, T2 a2, T3 a3, T4 a4), T1 vt_1; T2 vt_2; T3 vt_3; T4 vt_4; \
                   , (child_->vt_1, child_->vt_2, child_->vt_3, child_->vt_4))
#define VT_PROCEDURE_4(name, T1, a1, T2, a2, T3, a3, T4, a4)                                \
    VTASK_PROCEDURE(name, (T1 a1, T2 a2, T3 a3, T4 a4), T1 vt_1; T2 vt_2; T3 vt_3; T4 vt_4; \
                    , (child_->vt_1, child_->vt_2, child_->vt_3, child_->vt_4))
#define VT_FORK_4(name, child, x1, x2, x3, x4) \
    VTASK_FORK(name, child, child.vt_1 = (x1); child.vt_2 = (x2); child.vt_3 = (x3); child.vt_4 = (x4);)

#define VT_FUNCTION_5(T, name, T1, a1, T2, a2, T3, a3, T4, a4, T5, a5)                                        \
    VTASK_FUNCTION(T, name, (T1 a1, T2 a2, T3 a3, T4 a4, T5 a5), T1 vt_1; T2 vt_2; T3 vt_3; T4 vt_4; T5 vt_5; \
                   , (child_->vt_1, child_->vt_2, child_->vt_3, child_->vt_4, child_->vt_5))
#define VT_PROCEDURE_5(name, T1, a1, T2, a2, T3, a3, T4, a4, T5, a5)                                        \
    VTASK_PROCEDURE(name, (T1 a1, T2 a2, T3 a3, T4 a4, T5 a5), T1 vt_1; T2 vt_2; T3 vt_3; T4 vt_4; T5 vt_5; \
                    , (child_->vt_1, child_->vt_2, child_->vt_3, child_->vt_4, child_->vt_5))
#define VT_FORK_5(name, child, x1, x2, x3, x4, x5)                                                      \
    VTASK_FORK(name, child, child.vt_1 = (x1); child.vt_2 = (x2); child.vt_3 = (x3); child.vt_4 = (x4); \
               child.vt_5 = (x5);)

#define VT_FUNCTION_6(T, name, T1, a1, T2, a2, T3, a3, T4, a4, T5, a5, T6, a6)                                       \
    VTASK_FUNCTION(T, name, (T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6), T1 vt_1; T2 vt_2; T3 vt_3; T4 vt_4; T5 vt_5; \
                   T6 vt_6;, (child_->vt_1, child_->vt_2, child_->vt_3, child_->vt_4, child_->vt_5, child_->vt_6))
#define VT_PROCEDURE_6(name, T1, a1, T2, a2, T3, a3, T4, a4, T5, a5, T6, a6)                                       \
    VTASK_PROCEDURE(name, (T1 a1, T2 a2, T3 a3, T4 a4, T5 a5, T6 a6), T1 vt_1; T2 vt_2; T3 vt_3; T4 vt_4; T5 vt_5; \
                    T6 vt_6;, (child_->vt_1, child_->vt_2, child_->vt_3, child_->vt_4, child_->vt_5, child_->vt_6))
#define VT_FORK_6(name, child, x1, x2, x3, x4, x5, x6)                                                  \
    VTASK_FORK(name, child, child.vt_1 = (x1); child.vt_2 = (x2); child.vt_3 = (x3); child.vt_4 = (x4); \
               child.vt_5 = (x5); child.vt_6 = (x6);)

#endif
