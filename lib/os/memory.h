/* os/memory.h: memory from the system: address space in bulk, and advice. errno is kept. */
#ifndef VTI_OS_MEMORY_H
#define VTI_OS_MEMORY_H

#include <stddef.h>

#define HUGE_PAGE ((size_t)2 * 1024 * 1024)

/* Zeroed memory at the beginning of a page, of which only what is touched takes any; NULL: no address space. */
void *vti_memory_reserve(size_t size);
/* `memory` may be NULL. */
void vti_memory_free(void *memory, size_t size);
/* The pages at `memory`, which is a multiple of HUGE_PAGE, as is `size`, are best huge ones. Advice: it cannot fail. */
void vti_memory_prefer_huge(void *memory, size_t size);

#endif
