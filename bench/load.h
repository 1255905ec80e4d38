/* load.h: what the small loads and their peers share: the command line, one measurement, one line of JSON.
 *
 * A program gives load_main() its variants; each is a function that warms up, calls load_begin() and load_end() around
 * what is measured, and fills in operations, result and expected. A result that is not the expected one is exit code 1.
 * For C11 and C++17. No timing is judged here: that is the runner's part.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One run: what was asked for, and what came out. */
typedef struct load_run {
    const char *variant;
    unsigned workers;
    uint64_t size;
    uint64_t operations; /* how many units `seconds` stands for */
    uint64_t result, expected;
    double seconds, cpu; /* of the measured part; cpu: of all threads */
    double begun, begun_cpu;
    char extra[256]; /* JSON members, without the braces */
} load_run;

typedef struct load_variant {
    const char *name;
    void (*run)(load_run *run);
} load_variant;

typedef struct load {
    const char *name, *peer;
    uint64_t size; /* unless --size says otherwise */
    const load_variant *variants;
    unsigned variant_count;
} load;

static inline double load_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline uint64_t load_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void load_begin(load_run *run) {
    run->begun_cpu = load_clock(CLOCK_PROCESS_CPUTIME_ID);
    run->begun = load_clock(CLOCK_MONOTONIC);
}

static inline void load_end(load_run *run) {
    run->seconds = load_clock(CLOCK_MONOTONIC) - run->begun;
    run->cpu = load_clock(CLOCK_PROCESS_CPUTIME_ID) - run->begun_cpu;
}

/* Busy for that long, silently: no library call, no system call. */
static inline void load_spin(uint64_t ns) {
    for (uint64_t end = load_ns() + ns; load_ns() < end;) {
    }
}

static inline void load_sleep(uint64_t ns) {
    struct timespec left = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (nanosleep(&left, &left) != 0) {
    }
}

/* Ends the program: something that cannot fail did. */
__attribute__((noreturn, format(printf, 1, 2))) static inline void load_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static inline void *load_alloc(uint64_t count, size_t size) {
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) {
        load_fail("out of memory");
    }
    return memory;
}

/* load_alloc(), with every page resident already. */
static inline void *load_alloc_resident(uint64_t count, size_t size) {
    char *memory = (char *)load_alloc(count, size);
    for (size_t i = 0; i < count * size; i += 1024) {
        ((volatile char *)memory)[i] = 0;
    }
    return memory;
}

/* The process's resident memory in bytes. */
static inline double load_resident(void) {
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &total, &resident) != 2) {
        load_fail("cannot read /proc/self/statm");
    }
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

/* Adds a number to `extra`. */
static inline void load_extra(load_run *run, const char *name, double value) {
    size_t used = strlen(run->extra);
    snprintf(run->extra + used, sizeof run->extra - used, "%s\"%s\": %.9g", used > 0 ? ", " : "", name, value);
}

static inline int load_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts; 0 of nothing. */
static inline double load_median(double *values, uint64_t count) {
    qsort(values, count, sizeof *values, load_compare);
    return count > 0 ? values[count / 2] : 0;
}

static inline const load_variant *load_find(const load *l, const char *name) {
    for (unsigned i = 0; i < l->variant_count; i++) {
        if (name == NULL || strcmp(l->variants[i].name, name) == 0) {
            return &l->variants[i];
        }
    }
    load_fail("bench-%s: no variant %s; see --list", l->name, name != NULL ? name : "at all");
}

static inline uint64_t load_number(const char *text) {
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || number == 0 || *text == '-') {
        load_fail("not a number above 0: %s", text);
    }
    return number;
}

/* Runs one variant and prints its line. Returns main()'s code. */
static inline int load_measure(const load *l, const load_variant *variant, unsigned workers, uint64_t size) {
    load_run run;
    memset(&run, 0, sizeof run);
    run.variant = variant->name;
    run.workers = workers;
    run.size = size;
    variant->run(&run);
    if (run.result != run.expected) {
        load_fail("bench-%s (%s, %s): wrong result: %llu instead of %llu", l->name, l->peer, run.variant,
                  (unsigned long long)run.result, (unsigned long long)run.expected);
    }
    printf("{\"load\": \"%s\", \"peer\": \"%s\", \"variant\": \"%s\", \"workers\": %u, \"size\": %llu, "
           "\"seconds\": %.9f, \"operations\": %llu, \"result\": %llu, \"cpu\": %.9f, \"extra\": {%s}}\n",
           l->name, l->peer, run.variant, workers, (unsigned long long)size, run.seconds,
           (unsigned long long)run.operations, (unsigned long long)run.result, run.cpu, run.extra);
    return 0;
}

/* main(): [--list] [--variant NAME] [--workers N] [--size S]. */
static inline int load_main(const load *l, int argc, char **argv) {
    const char *name = NULL;
    unsigned workers = 1;
    uint64_t size = l->size;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            for (unsigned v = 0; v < l->variant_count; v++) {
                puts(l->variants[v].name);
            }
            return 0;
        }
        if (i + 1 == argc) {
            load_fail("usage: %s [--list] [--variant NAME] [--workers N] [--size S]", argv[0]);
        } else if (strcmp(argv[i], "--variant") == 0) {
            name = argv[++i];
        } else if (strcmp(argv[i], "--workers") == 0) {
            workers = (unsigned)load_number(argv[++i]);
        } else if (strcmp(argv[i], "--size") == 0) {
            size = load_number(argv[++i]);
        } else {
            load_fail("%s: unknown option %s", argv[0], argv[i]);
        }
    }
    return load_measure(l, load_find(l, name), workers, size);
}

/* Defines main(). */
#define LOAD_MAIN(name, peer, size, variants)                                                     \
    int main(int argc, char **argv) {                                                             \
        const load self = {name, peer, size, variants, sizeof(variants) / sizeof((variants)[0])}; \
        return load_main(&self, argc, argv);                                                      \
    }

#endif
