/* base/alloc.h: the heap, with every failure in a test's reach. */
#ifndef VTI_BASE_ALLOC_H
#define VTI_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory, or NULL. */
void *vti_alloc(size_t size);
/* Zeroed memory at a multiple of `alignment` (a power of two), `size` a multiple of it; or NULL. */
void *vti_alloc_aligned(size_t alignment, size_t size);
/* The same with any content. */
void *vti_alloc_aligned_raw(size_t alignment, size_t size);
void vti_free(void *memory);

/* For tests: the next `successes` allocations succeed, then all fail; UINT32_MAX: none fails. */
void vti_alloc_fail_after(uint32_t successes);
/* Whether that has come: asked once for each allocation, by whoever does not allocate here. */
bool vti_alloc_must_fail(void);

#endif
