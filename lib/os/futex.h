/* os/futex.h: sleeping on a word, and waking who sleeps on it. */
#ifndef VTI_OS_FUTEX_H
#define VTI_OS_FUTEX_H

#include <stdint.h>

/* Sleeps while *word is `value`; may return at any time, so the caller looks again. errno is kept. */
void vti_futex_wait(const uint32_t *word, uint32_t value);
/* Wakes up to `count` sleepers. The word's memory may be gone or in other use by now: at worst somebody there looks
 * again for nothing. errno is kept. */
void vti_futex_wake(const uint32_t *word, int count);

#endif
