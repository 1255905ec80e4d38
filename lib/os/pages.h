/* os/pages.h: address space in bulk, of which only what is touched takes memory. */
#ifndef VTI_OS_PAGES_H
#define VTI_OS_PAGES_H

#include <stddef.h>

/* Zeroed memory at the beginning of a page; NULL: none. */
void *vti_pages_alloc(size_t size);
/* `pages` may be NULL. */
void vti_pages_free(void *pages, size_t size);

#endif
