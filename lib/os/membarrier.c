/* os/membarrier.c: membarrier(PRIVATE_EXPEDITED), and what becomes of it where the kernel has none or forbids it. */
#include "os/membarrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

atomic_u32 vti_a_membarrier;
static atomic_u32 a_refused; /* for good: what was open stays open */

static bool call(int command) {
    int kept = errno;
    bool done = syscall(SYS_membarrier, command, 0, 0) == 0;
    errno = kept;
    return done;
}

void vti_membarrier_refuse(void) {
    store_rlx(&a_refused, 1u);        /* carries nothing: private ends are right with either answer */
    store_rlx(&vti_a_membarrier, 0u); /* the same */
}

void vti_membarrier_register(void) {
    bool works = load_rlx(&a_refused) == 0 && call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    store_rlx(&vti_a_membarrier, works); /* carries nothing: private ends are right with either answer */
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
