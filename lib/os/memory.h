/* os/memory.h: what the system is told of memory. */
#ifndef VTI_OS_MEMORY_H
#define VTI_OS_MEMORY_H

#include <stddef.h>

#define HUGE_PAGE ((size_t)2 * 1024 * 1024)

/* The pages at `memory`, which is a multiple of HUGE_PAGE, as is `size`, are best huge ones. Advice: it cannot fail. */
void vti_memory_prefer_huge(void *memory, size_t size);

#endif
