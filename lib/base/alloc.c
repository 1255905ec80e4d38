/* base/alloc.c: the heap, with every failure in a test's reach. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"

static atomic_u32 a_successes = UINT32_MAX; /* left before allocations fail; UINT32_MAX: no limit */

void vti_alloc_fail_after(uint32_t successes) {
    store_rlx(&a_successes, successes); /* tests set it while nobody allocates */
}

bool vti_alloc_must_fail(void) {
    uint32_t left = load_rlx(&a_successes); /* a plain count: nothing is carried */
    while (UNLIKELY(left != UINT32_MAX)) {
        if (left == 0) {
            return true;
        }
        if (cas_rlx(&a_successes, &left, left - 1)) {
            return false;
        }
    }
    return false;
}

void *vti_alloc(size_t size) { return vti_alloc_must_fail() ? NULL : calloc(1, size); }

void *vti_alloc_aligned_raw(size_t alignment, size_t size) {
    return vti_alloc_must_fail() ? NULL : aligned_alloc(alignment, size);
}

void *vti_alloc_aligned(size_t alignment, size_t size) {
    void *memory = vti_alloc_aligned_raw(alignment, size);
    return memory == NULL ? NULL : memset(memory, 0, size);
}

void vti_free(void *memory) { free(memory); }
