/* base/atomic.h: the only way to touch a shared word. The order is in the name; there is no default.
 *
 *   rlx     nothing is carried        acq   what the releaser wrote is seen after
 *   rel     what was written before is seen by who acquires        acqrel   both        seq   both, and one total order
 *
 * One source compiles for the product (the __atomic builtins, which also serve the plain words of public structs) and
 * for the model checker (Relacy, VTI_MODEL), where the words are rl::atomic. In a build without ThreadSanitizer each
 * ordered operation draws its edge for a user's instrumented program: see base/sanitizer.h.
 */
#ifndef VTI_BASE_ATOMIC_H
#define VTI_BASE_ATOMIC_H

#include "base/sanitizer.h"

#ifdef VTI_MODEL

typedef rl::atomic<uint32_t> atomic_u32;
typedef rl::atomic<uint64_t> atomic_u64;
#define ATOMIC_POINTER(type) rl::atomic<type *>

#define load_rlx(p) (p)->load(rl::mo_relaxed, $)
#define load_acq(p) (p)->load(rl::mo_acquire, $)
#define load_seq(p) (p)->load(rl::mo_seq_cst, $)
#define store_rlx(p, v) (p)->store((v), rl::mo_relaxed, $)
#define store_rel(p, v) (p)->store((v), rl::mo_release, $)
#define store_seq(p, v) (p)->store((v), rl::mo_seq_cst, $)
#define exchange_acqrel(p, v) (p)->exchange((v), rl::mo_acq_rel, $)
#define cas_acqrel(p, expected, v) (p)->compare_exchange_strong(*(expected), (v), rl::mo_acq_rel, $)
#define cas_rlx(p, expected, v) (p)->compare_exchange_strong(*(expected), (v), rl::mo_relaxed, $)
#define add_rlx(p, v) (p)->fetch_add((v), rl::mo_relaxed, $)
#define add_acqrel(p, v) (p)->fetch_add((v), rl::mo_acq_rel, $)
#define add_seq(p, v) (p)->fetch_add((v), rl::mo_seq_cst, $)
#define sub_acqrel(p, v) (p)->fetch_sub((v), rl::mo_acq_rel, $)
#define sub_seq(p, v) (p)->fetch_sub((v), rl::mo_seq_cst, $)
#define or_acqrel(p, v) (p)->fetch_or((v), rl::mo_acq_rel, $)

#else

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t atomic_u32;
typedef uint64_t atomic_u64;
#define ATOMIC_POINTER(type) type *

#define load_rlx(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define store_rlx(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define add_rlx(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define cas_rlx(p, expected, v) \
    __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)

/* Evaluates `operation`, whose edge belongs to the word at `p`. */
#define VTI_ACQUIRING(p, operation)                  \
    __extension__({                                  \
        __typeof__(operation) result_ = (operation); \
        edge_acquire(p);                             \
        result_;                                     \
    })
#define VTI_RELEASING(p, operation) (edge_release(p), (operation))
#define VTI_BOTH(p, operation) (edge_release(p), VTI_ACQUIRING(p, operation))

#define load_acq(p) VTI_ACQUIRING(p, __atomic_load_n((p), __ATOMIC_ACQUIRE))
#define load_seq(p) VTI_ACQUIRING(p, __atomic_load_n((p), __ATOMIC_SEQ_CST))
#define store_rel(p, v) VTI_RELEASING(p, __atomic_store_n((p), (v), __ATOMIC_RELEASE))
#define store_seq(p, v) VTI_RELEASING(p, __atomic_store_n((p), (v), __ATOMIC_SEQ_CST))
#define exchange_acqrel(p, v) VTI_BOTH(p, __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL))
#define cas_acqrel(p, expected, v) \
    VTI_BOTH(p, __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
#define add_acqrel(p, v) VTI_BOTH(p, __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL))
#define add_seq(p, v) VTI_BOTH(p, __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
#define sub_acqrel(p, v) VTI_BOTH(p, __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL))
#define sub_seq(p, v) VTI_BOTH(p, __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST))
#define or_acqrel(p, v) VTI_BOTH(p, __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL))

/* A counter that one thread writes and others read. */
#define bump_owner(p, v) store_rlx((p), load_rlx(p) + (v))

#endif

#endif
