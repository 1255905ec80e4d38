/* os/clock.h: time, for bounded spins and for rates. */
#ifndef VTI_OS_CLOCK_H
#define VTI_OS_CLOCK_H

#include <stdint.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t vti_clock_ns(void);
/* Tells the CPU that this thread spins. */
static inline void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
