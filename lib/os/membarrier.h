/* os/membarrier.h: a full memory barrier on every running thread of this process, paid by the caller alone. */
#ifndef VTI_OS_MEMBARRIER_H
#define VTI_OS_MEMBARRIER_H

#include <stdbool.h>

#include "base/atomic.h"

/* UNKNOWN --- registration ---> WORKS;  either --- the kernel refuses ---> REFUSED, for good */
enum membarrier_state { MEMBARRIER_UNKNOWN, MEMBARRIER_WORKS, MEMBARRIER_REFUSED };
extern atomic_u32 vti_a_membarrier;

/* A snapshot: whoever relies on it must be right with either answer. */
static inline bool membarrier_works(void) {
    return load_rlx(&vti_a_membarrier) == MEMBARRIER_WORKS; /* carries nothing: private ends are right with either answer */
}

/* Once a process, before the first use; again does no harm. */
void vti_membarrier_register(void);
/* What this thread wrote before is seen by what other threads read after their next light barrier, and the other way
 * round. False: the kernel refused, now and from now on, and nothing is promised. */
bool vti_membarrier_all(void);
#define membarrier_all() vti_membarrier_all()
/* For tests: refuses from now on, whatever the kernel says. */
void vti_membarrier_refuse(void);

#endif
