/* base/compiler.h: what the compilers are told beyond C11. */
#ifndef VTI_BASE_COMPILER_H
#define VTI_BASE_COMPILER_H

#include <stddef.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COLD __attribute__((cold, noinline))
#define HOT inline __attribute__((always_inline))
#define MAYBE_UNUSED __attribute__((unused)) /* where asserts are off */
#define CACHE_LINE 64

/* The structure that `member` at `pointer` is part of. */
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
