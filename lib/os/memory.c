/* os/memory.c: advice on memory. errno is kept. */
#include "os/memory.h"

#include <errno.h>
#include <sys/mman.h>

void vti_memory_prefer_huge(void *memory, size_t size) {
    int kept = errno;
    (void)madvise(memory, size, MADV_HUGEPAGE); /* a kernel without them has small ones */
    errno = kept;
}
