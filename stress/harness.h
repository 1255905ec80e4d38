/* harness.h: what the stress programs share: arguments, seeds, threads that start together, progress, a watchdog.
 *
 * A program is `name [--seconds N] [--threads N] [--seed N]`. It counts what goes in and what comes out, and ends with
 * `name: N operations, conserved` (exit 0), with what was lost (1), or with its counters if a thread makes no
 * progress for a minute (3). 2: bad arguments. Nothing orders threads by time: waits are bounded by the watchdog.
 * A run's threads draw from the seed, so that a run can be repeated as far as the machine's timing allows.
 */
#ifndef STRESS_HARNESS_H
#define STRESS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "os/clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A number that must be conserved; shown when a run fails or hangs. Many threads add, at the end one reads. */
struct counter {
    const char *name;
    uint64_t a_n;
};
static inline void counter_add(struct counter *c, uint64_t n) { (void)add_rlx(&c->a_n, n); } /* only a number */
static inline uint64_t counter_get(const struct counter *c) { return load_rlx(&c->a_n); }    /* only a number */

struct random {
    uint64_t state;
};
/* Number `stream` of the run's seed. */
struct random random_of(uint64_t stream);
uint64_t random_next(struct random *r);
/* 0 .. n-1; n > 0. */
static inline uint64_t random_below(struct random *r, uint64_t n) { return random_next(r) % n; }
static inline bool one_in(struct random *r, uint64_t n) { return random_below(r, n) == 0; }
/* A well mixed word that depends on x alone. */
uint64_t mix(uint64_t x);

/* One of the threads of a run. */
struct thread {
    unsigned index, threads;
    struct random random;
    void *arg;
    void (*fn)(struct thread *me);
    uint64_t a_beats; /* operations it has done: its own; read by the watchdog */
    uint32_t a_alive; /* the watchdog minds it */
    char pad[CACHE_LINE];
};

/* The thread has done `n` operations: it does not hang. */
static inline void beat(struct thread *me, uint64_t n) { bump_owner(&me->a_beats, n); }

/* Reads the arguments, prints the start line, starts the watchdog. `counters` outlive the run. */
void stress_begin(int argc, char **argv, const char *name, struct counter *const counters[], size_t n);
/* Whether part `part` of `parts` equal parts of the time is still under way; parts begin with 1. */
bool stress_goes_on(unsigned part, unsigned parts);
/* --threads, or `least` if that is more. */
unsigned stress_threads(unsigned least);
/* Half of a load under a sanitizer. */
size_t stress_load(size_t full);
/* Runs fn on `n` threads that begin together; returns when all have ended. */
void stress_run(unsigned n, void (*fn)(struct thread *me), void *arg);
/* Says that two numbers must be equal. */
void stress_equal(const struct counter *in, const struct counter *out);
/* The end line; the program's exit code. */
int stress_end(void);

/* Waits for all of a run's threads; one of them gets true. */
bool meet(struct thread *me);

/* Keeps a CPU busy for about n steps. */
void work(uint64_t n);

__attribute__((noreturn, cold, format(printf, 2, 3))) void stress_fail(const char *where, const char *format, ...);

#define HERE __FILE__ ":" HERE_STRING(__LINE__)
#define HERE_STRING(line) HERE_STRING2(line)
#define HERE_STRING2(line) #line
/* An assertion that holds in every build. */
#define must(condition)                                  \
    do {                                                 \
        if (UNLIKELY(!(condition))) {                    \
            stress_fail(HERE, "not so: %s", #condition); \
        }                                                \
    } while (0)
/* The same for two numbers. */
#define must_be(is, should)                                                                                           \
    do {                                                                                                              \
        uint64_t is_ = (uint64_t)(is), should_ = (uint64_t)(should);                                                  \
        if (UNLIKELY(is_ != should_)) {                                                                               \
            stress_fail(HERE, "%s is %llu, not %llu (%s)", #is, (unsigned long long)is_, (unsigned long long)should_, \
                        #should);                                                                                     \
        }                                                                                                             \
    } while (0)

#endif
