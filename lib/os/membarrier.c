/* os/membarrier.c: membarrier(PRIVATE_EXPEDITED), and what becomes of it where the kernel has none or forbids it. */
#include "os/membarrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

atomic_u32 vti_a_membarrier;

static bool call(int command) {
    int kept = errno;
    bool done = syscall(SYS_membarrier, command, 0, 0) == 0;
    errno = kept;
    return done;
}

void vti_membarrier_refuse(void) { store_rlx(&vti_a_membarrier, (uint32_t)MEMBARRIER_REFUSED); /* carries nothing */ }

void vti_membarrier_register(void) {
    uint32_t state = MEMBARRIER_UNKNOWN;
    if (load_rlx(&vti_a_membarrier) == state && call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)) { /* carries nothing */
        (void)cas_rlx(&vti_a_membarrier, &state, (uint32_t)MEMBARRIER_WORKS); /* carries nothing; a refusal stands */
    }
}

bool vti_membarrier_all(void) {
    if (!membarrier_works()) {
        return false;
    }
    bool done = call(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    if (!done) {
        vti_membarrier_refuse();
    }
    return done;
}
