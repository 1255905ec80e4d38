/* os/memory.h: memory from the system: address space in bulk. errno is kept. */
#ifndef VTI_OS_MEMORY_H
#define VTI_OS_MEMORY_H

#include <stddef.h>

/* Zeroed memory at the beginning of a page, of which only what is touched takes any; NULL: no address space. */
void *vti_memory_reserve(size_t size);
/* `memory` may be NULL. */
void vti_memory_free(void *memory, size_t size);

#endif
