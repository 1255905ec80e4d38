/* base/sanitizer.h: what ThreadSanitizer and AddressSanitizer are told, where the process has them.
 *
 * Two kinds of builds, two kinds of edges:
 * - An instrumented build: the compiler shows ThreadSanitizer every atomic, so edge_acquire() and edge_release() are
 *   empty (a hand-drawn edge would hide a wrong memory order). Only the ConcurrencyKit seams draw theirs with
 *   seam_acquire() and seam_release(), since they are compiled without ThreadSanitizer and ck's operations are
 *   assembly.
 * - A release build linked into a user's instrumented program: nothing of the library is seen, and a correct
 *   hand-over through it would be reported as a race. There every ordered operation of base/atomic.h draws its edge
 *   through the weak symbols below; where the process has no ThreadSanitizer that is one predictable branch.
 */
#ifndef VTI_BASE_SANITIZER_H
#define VTI_BASE_SANITIZER_H

#include <stddef.h>

#include "base/compiler.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VTI_TSAN 1
#endif
#if __has_feature(address_sanitizer)
#define VTI_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) && !defined(VTI_TSAN)
#define VTI_TSAN 1
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(VTI_ASAN)
#define VTI_ASAN 1
#endif

#ifdef __cplusplus
extern "C" {
#endif
void __tsan_acquire(void *address) __attribute__((weak));
void __tsan_release(void *address) __attribute__((weak));
#ifdef VTI_ASAN
void __asan_poison_memory_region(void const volatile *address, size_t size);
void __asan_unpoison_memory_region(void const volatile *address, size_t size);
#endif
#ifdef __cplusplus
}
#endif

/* Whether the process has ThreadSanitizer, and with it both symbols: one test serves a whole function. */
static inline int seam_is_watched(void) { return __builtin_expect(__tsan_acquire != NULL, 0) != 0; }

static inline void seam_acquire(const volatile void *address) {
    if (seam_is_watched()) {
        __tsan_acquire((void *)(size_t)address);
    }
}

static inline void seam_release(const volatile void *address) {
    if (seam_is_watched()) {
        __tsan_release((void *)(size_t)address);
    }
}

/* edge_is_watched(): whether edges are drawn here. Code that has asked and found that they are not draws none: the compiler
 * leaves no branch and saves no register for it. A hot path is therefore compiled twice: HOT, and called by a COLD function. */
#if defined(VTI_TSAN) || defined(VTI_MODEL)
static inline int edge_is_watched(void) { return 0; }
static inline void edge_acquire(const volatile void *address) { (void)address; }
static inline void edge_release(const volatile void *address) { (void)address; }
#else
static inline int edge_is_watched(void) { return seam_is_watched(); }
static inline void edge_acquire(const volatile void *address) { seam_acquire(address); }
static inline void edge_release(const volatile void *address) { seam_release(address); }
#endif

/* Blocks on a free list are type-stable, so only poison makes a use after release visible. */
#ifdef VTI_ASAN
static inline void poison(const volatile void *address, size_t size) { __asan_poison_memory_region(address, size); }
static inline void unpoison(const volatile void *address, size_t size) { __asan_unpoison_memory_region(address, size); }
#else
static inline void poison(const volatile void *address, size_t size) {
    (void)address;
    (void)size;
}
static inline void unpoison(const volatile void *address, size_t size) {
    (void)address;
    (void)size;
}
#endif

#endif
