/* latch.h: one thread waits until others have counted a word down to zero; on a futex, for loads and peers.
 *
 *   a_left: [31] somebody sleeps; [30:0] how many are still to come
 *
 * [L1] count down (RMW, release) -> wait (acquire): carries everything that was done before. The last count and the
 *      sleeper's bit are RMWs of one word: either the waiter sees 0, or the last count sees the bit and wakes.
 * Lifetime: after the last count only the address is used, for the wake.
 */
#ifndef BENCH_LATCH_H
#define BENCH_LATCH_H

#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LATCH_SLEEPER 0x80000000u

typedef struct latch {
    uint32_t a_left;
} latch;

static inline void latch_init(latch *l, uint32_t count) { __atomic_store_n(&l->a_left, count, __ATOMIC_RELEASE); }

static inline void latch_count_down(latch *l) {
    uint32_t before = __atomic_fetch_sub(&l->a_left, 1, __ATOMIC_ACQ_REL); /* [L1] */
    if (before == (LATCH_SLEEPER | 1)) {
        syscall(SYS_futex, &l->a_left, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    }
}

static inline void latch_wait(latch *l) {
    for (;;) {
        uint32_t left = __atomic_fetch_or(&l->a_left, LATCH_SLEEPER, __ATOMIC_ACQ_REL) | LATCH_SLEEPER; /* [L1] */
        if (left == LATCH_SLEEPER) {
            return;
        }
        syscall(SYS_futex, &l->a_left, FUTEX_WAIT_PRIVATE, left, NULL, NULL, 0);
    }
}

#endif
