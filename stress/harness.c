/* harness.c: what the stress programs share. */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sanitizer.h"

enum { HANG_SECONDS = 60, THREADS_MOST = 512, TICKS_A_SECOND = 5, STACK = 1 << 20 };

#if defined(VTI_TSAN) || defined(VTI_ASAN)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static struct {
    const char *name;
    unsigned long seconds, threads;
    unsigned long long seed;
    uint64_t begin_ns;
    struct counter *const *counters;
    size_t counter_count;
    bool terminal, lost;

    pthread_t watchdog;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    bool over;
    struct thread main, *crew; /* who is minded: the main thread, or while it waits for them a run's */
    unsigned crew_size;
    uint64_t beats_before; /* of crews that have ended */
    pthread_barrier_t *barrier;
} run = {.seconds = 5, .threads = 4, .lock = PTHREAD_MUTEX_INITIALIZER};

/* --- random numbers --- */

uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

uint64_t random_next(struct random *r) { return mix(r->state += 0x9e3779b97f4a7c15u); }

struct random random_of(uint64_t stream) {
    return (struct random){mix(run.seed + 1) ^ mix(stream * 2 + 1)};
}

void work(uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        __asm__ volatile("" ::: "memory");
    }
}

/* --- failing --- */

static void print_counters(void) {
    for (size_t i = 0; i < run.counter_count; i++) {
        (void)fprintf(stderr, "  %s: %llu\n", run.counters[i]->name, (unsigned long long)counter_get(run.counters[i]));
    }
}

void stress_fail(const char *where, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    flockfile(stderr); /* the first to fail has the word */
    (void)fprintf(stderr, "\n%s: FAILED at %s: ", run.name, where);
    (void)vfprintf(stderr, format, arguments);
    (void)fprintf(stderr, "; --threads %lu --seed %llu\n", run.threads, run.seed);
    va_end(arguments);
    print_counters();
    _exit(1);
}

void stress_equal(const struct counter *in, const struct counter *out) {
    uint64_t n = counter_get(in), m = counter_get(out);
    if (n != m) {
        run.lost = true;
        (void)fprintf(stderr, "%s: %s is %llu, but %s is %llu: %llu %s\n", run.name, in->name, (unsigned long long)n,
                      out->name, (unsigned long long)m, (unsigned long long)(n > m ? n - m : m - n),
                      n > m ? "lost" : "too many");
    }
}

/* --- the watchdog --- */

/* What it knows of one thread. */
struct minded {
    uint64_t beats;
    unsigned quiet_ticks;
};

static void hang(const struct thread *t, unsigned index) {
    flockfile(stderr);
    (void)fprintf(stderr, "\n%s: HANG: %s %u has done nothing for %d s, after %llu operations; --threads %lu --seed %llu\n",
                  run.name, t == &run.main ? "main thread" : "thread", index, HANG_SECONDS,
                  (unsigned long long)load_rlx(&t->a_beats), run.threads, run.seed);
    print_counters();
    _exit(3);
}

static void mind(const struct thread *t, unsigned index, struct minded *m) {
    uint64_t beats = load_rlx(&t->a_beats);                /* a number */
    if (load_rlx(&t->a_alive) == 0 || beats != m->beats) { /* a hint */
        *m = (struct minded){beats, 0};
    } else if (++m->quiet_ticks >= HANG_SECONDS * TICKS_A_SECOND) {
        hang(t, index);
    }
}

/* Under the lock. */
static uint64_t operations(void) {
    uint64_t n = run.beats_before;
    for (unsigned i = 0; i < run.crew_size; i++) {
        n += load_rlx(&run.crew[i].a_beats); /* a number */
    }
    return n;
}

static void show(uint64_t ticks) {
    unsigned long long n = operations(), rate = n * TICKS_A_SECOND / ticks;
    unsigned long long seconds = ticks / TICKS_A_SECOND;
    if (run.terminal) {
        (void)printf("\r%s: %llu of %lu s, %llu operations, %llu/s ", run.name, seconds, run.seconds, n, rate);
    } else if (ticks % TICKS_A_SECOND == 0) {
        (void)printf("%s: %llu of %lu s, %llu operations, %llu/s\n", run.name, seconds, run.seconds, n, rate);
    }
    (void)fflush(stdout);
}

static void after_a_tick(struct timespec *t) {
    t->tv_nsec += 1000000000 / TICKS_A_SECOND;
    if (t->tv_nsec >= 1000000000) {
        t->tv_nsec -= 1000000000;
        t->tv_sec++;
    }
}

static void *watchdog(void *arg) {
    static struct minded of_main, of_crew[THREADS_MOST];
    struct timespec next;
    (void)arg;
    (void)clock_gettime(CLOCK_REALTIME, &next);
    pthread_mutex_lock(&run.lock);
    for (uint64_t ticks = 1; !run.over; ticks++) {
        after_a_tick(&next);
        while (!run.over && pthread_cond_timedwait(&run.changed, &run.lock, &next) != ETIMEDOUT) {
        }
        mind(&run.main, 0, &of_main);
        for (unsigned i = 0; i < run.crew_size; i++) {
            mind(&run.crew[i], i, &of_crew[i]);
        }
        if (!run.over) {
            show(ticks);
        }
    }
    pthread_mutex_unlock(&run.lock);
    return NULL;
}

/* --- begin and end --- */

static void usage(const char *program) {
    (void)fprintf(stderr, "usage: %s [--seconds N] [--threads N] [--seed N]\n", program);
    exit(2);
}

static unsigned long long number(const char *program, const char *text, unsigned long long most) {
    char *end = NULL;
    errno = 0;
    unsigned long long n = text != NULL ? strtoull(text, &end, 10) : 0;
    if (text == NULL || *text < '0' || *text > '9' || *end != '\0' || errno != 0 || n > most) {
        usage(program);
    }
    return n;
}

static void read_arguments(int argc, char **argv) {
    run.seed = mix(vti_clock_ns() ^ mix((uint64_t)getpid())) % 1000000000u;
    for (int i = 1; i < argc; i += 2) { /* argv[argc] is NULL: a value that is missing is no number */
        if (strcmp(argv[i], "--seconds") == 0) {
            run.seconds = (unsigned long)number(argv[0], argv[i + 1], 1000000);
        } else if (strcmp(argv[i], "--threads") == 0) {
            run.threads = (unsigned long)number(argv[0], argv[i + 1], THREADS_MOST);
        } else if (strcmp(argv[i], "--seed") == 0) {
            run.seed = number(argv[0], argv[i + 1], UINT64_MAX);
        } else {
            usage(argv[0]);
        }
    }
    if (run.threads == 0) {
        usage(argv[0]);
    }
}

void stress_begin(int argc, char **argv, const char *name, struct counter *const counters[], size_t n) {
    run.name = name;
    run.counters = counters;
    run.counter_count = n;
    read_arguments(argc, argv);
    run.terminal = isatty(STDOUT_FILENO) != 0;
    run.begin_ns = vti_clock_ns();
    store_rlx(&run.main.a_alive, 1u); /* the watchdog's start carries it */
    (void)printf("%s: --seconds %lu --threads %lu --seed %llu%s\n", name, run.seconds, run.threads, run.seed,
                 SANITIZED ? " (half load: sanitizer)" : "");
    (void)fflush(stdout);
    if (pthread_cond_init(&run.changed, NULL) != 0 || pthread_create(&run.watchdog, NULL, watchdog, NULL) != 0) {
        stress_fail(HERE, "no thread for the watchdog");
    }
}

bool stress_goes_on(unsigned part, unsigned parts) {
    uint64_t end = run.begin_ns + run.seconds * 1000000000u * part / parts;
    return vti_clock_ns() < end;
}

unsigned stress_threads(unsigned least) { return run.threads > least ? (unsigned)run.threads : least; }
size_t stress_load(size_t full) { return SANITIZED && full > 1 ? full / 2 : full; }

int stress_end(void) {
    pthread_mutex_lock(&run.lock);
    run.over = true;
    pthread_cond_signal(&run.changed);
    pthread_mutex_unlock(&run.lock);
    pthread_join(run.watchdog, NULL);
    (void)printf("%s%s: %llu operations, %s\n", run.terminal ? "\r\033[K" : "", run.name,
                 (unsigned long long)run.beats_before, run.lost ? "NOT conserved" : "conserved");
    if (run.lost) {
        (void)fprintf(stderr, "%s: --threads %lu --seed %llu\n", run.name, run.threads, run.seed);
        print_counters();
    }
    return run.lost ? 1 : 0;
}

/* --- threads --- */

bool meet(struct thread *me) {
    (void)me;
    return pthread_barrier_wait(run.barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
}

static void *crew_main(void *arg) {
    struct thread *me = arg;
    (void)meet(me);
    me->fn(me);
    store_rlx(&me->a_alive, 0u); /* a hint to the watchdog */
    return NULL;
}

/* The watchdog minds these from now on; NULL: the main thread. */
static void mind_crew(struct thread *crew, unsigned n) {
    pthread_mutex_lock(&run.lock);
    run.beats_before = operations();
    run.crew = crew;
    run.crew_size = n;
    store_rlx(&run.main.a_alive, crew == NULL ? 1u : 0u); /* the lock carries it */
    beat(&run.main, 1);
    pthread_mutex_unlock(&run.lock);
}

static void start(struct thread *t, pthread_t *id) {
    pthread_attr_t attributes;
    must(pthread_attr_init(&attributes) == 0);
    must(pthread_attr_setstacksize(&attributes, STACK) == 0);
    must(pthread_create(id, &attributes, crew_main, t) == 0);
    pthread_attr_destroy(&attributes);
}

void stress_run(unsigned n, void (*fn)(struct thread *me), void *arg) {
    static uint64_t runs;
    static struct thread crew[THREADS_MOST];
    pthread_t ids[THREADS_MOST];
    pthread_barrier_t barrier;
    must(n <= THREADS_MOST && pthread_barrier_init(&barrier, NULL, n) == 0);
    run.barrier = &barrier;
    for (unsigned i = 0; i < n; i++) {
        struct random random = random_of(runs * THREADS_MOST + i);
        crew[i] = (struct thread){.index = i, .threads = n, .random = random, .arg = arg, .fn = fn, .a_alive = 1};
    }
    runs++;
    mind_crew(crew, n);
    for (unsigned i = 0; i < n; i++) {
        start(&crew[i], &ids[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(ids[i], NULL);
    }
    mind_crew(NULL, 0);
    pthread_barrier_destroy(&barrier);
}
