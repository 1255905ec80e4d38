/* os/pages.c: address space in bulk: anonymous pages that are not reserved in memory before they are touched. */
#include "os/pages.h"

#include <sys/mman.h>

#include "base/alloc.h"

void *vti_pages_alloc(size_t size) {
    if (vti_alloc_must_fail()) {
        return NULL;
    }
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pages != MAP_FAILED ? pages : NULL;
}

void vti_pages_free(void *pages, size_t size) {
    if (pages != NULL) {
        (void)munmap(pages, size);
    }
}
