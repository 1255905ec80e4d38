/* os/futex.c: sleeping on a word, and waking who sleeps on it. */
#include "os/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

void vti_futex_wait(const uint32_t *word, uint32_t value) {
    int kept = errno;
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
    errno = kept;
}

void vti_futex_wake(const uint32_t *word, int count) {
    int kept = errno;
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = kept;
}
