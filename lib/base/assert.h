/* base/assert.h: four tools, for four kinds of wrong.
 *
 *   vti_die()    the caller's bug that would corrupt memory: on in release, names the call site, aborts
 *   ASSERT       our own invariant: debug builds
 *   ASSERT_SLOW  a check of a whole structure: the preset `checked`
 *   FATAL        an OS call that cannot fail did
 * Off, an assert still type-checks and evaluates nothing.
 */
#ifndef VTI_BASE_ASSERT_H
#define VTI_BASE_ASSERT_H

#include "base/compiler.h"

__attribute__((noreturn, cold, format(printf, 1, 2))) void vti_die(const char *format, ...);

#define VTI_LINE2(line) #line
#define VTI_LINE(line) VTI_LINE2(line)
#define VTI_HERE __FILE__ ":" VTI_LINE(__LINE__)

#define FATAL(what, code) vti_die("vtask: %s failed at %s with code %d\n", (what), VTI_HERE, (code))

#define VTI_CHECKED(condition)                                                                \
    do {                                                                                      \
        if (UNLIKELY(!(condition))) {                                                         \
            vti_die("vtask: internal error at %s: %s does not hold\n", VTI_HERE, #condition); \
        }                                                                                     \
    } while (0)
#define VTI_UNCHECKED(condition) ((void)sizeof((condition) ? 1 : 0))

#if defined(VTASK_DEBUG) || defined(VTASK_ASSERT_SLOW)
#define ASSERT(condition) VTI_CHECKED(condition)
#else
#define ASSERT(condition) VTI_UNCHECKED(condition)
#endif

#if defined(VTASK_ASSERT_SLOW)
#define ASSERT_SLOW(condition) VTI_CHECKED(condition)
#else
#define ASSERT_SLOW(condition) VTI_UNCHECKED(condition)
#endif

#endif
