/* os/memory.c: memory from the system: address space in bulk. */
#include "os/memory.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/alloc.h"

void *vti_memory_reserve(size_t size) {
    if (vti_alloc_must_fail()) {
        return NULL;
    }
    int kept = errno;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) {
        (void)madvise(memory, size, MADV_NOHUGEPAGE); /* a few bytes of it are not to take 2 MiB */
    }
    errno = kept;
    return memory != MAP_FAILED ? memory : NULL;
}

void vti_memory_free(void *memory, size_t size) {
    if (memory != NULL) {
        (void)munmap(memory, size);
    }
}
