/* ready: what a value-task costs that is complete when it is awaited, beside a plain call and an exchange.
 *
 * malloc and its fellows are counted: they are defined here, on top of glibc's own, and so are the library's, too.
 * A sanitizer brings its own malloc; then bytes_per_operation is not printed.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <vtask.h>

#include "inside.h"
#include "load.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)
#define READY_COUNTS 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef READY_COUNTS
#endif
#endif

#ifdef READY_COUNTS
static uint64_t a_bytes; /* allocated so far; relaxed: a sum, read by the one thread that runs the loop */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static void counted(size_t size) { __atomic_add_fetch(&a_bytes, size, __ATOMIC_RELAXED); }

void *malloc(size_t size) {
    counted(size);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    counted(count * size);
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
    counted(size);
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    counted(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
    counted(size);
    void *made = __libc_memalign(alignment, size);
    if (made == NULL) {
        return ENOMEM;
    }
    *memory = made;
    return 0;
}
#endif

/* As much as a vt. */
typedef struct pair {
    uint64_t word;
    task_value value;
} pair;

__attribute__((noinline)) static pair next_pair(uint64_t i) {
    __asm__ volatile(""); /* the call stays */
    return (pair){1, {.u64 = i}};
}

__attribute__((noinline)) static vt next_ready(uint64_t i) {
    __asm__ volatile("");
    return vt_from_value((task_value){.u64 = i});
}

static uint64_t loop_call(uint64_t n) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        pair p = next_pair(i);
        sum += p.word == 1 ? p.value.u64 : 0;
    }
    return sum;
}

static uint64_t loop_xchg(uint64_t n) {
    uint64_t word = 0, sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += __atomic_exchange_n(&word, i, __ATOMIC_ACQ_REL);
    }
    return sum + word;
}

static uint64_t loop_await_now(uint64_t n) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        task_value value;
        if (vt_await_now(next_ready(i), &value) == 0) {
            sum += value.u64;
        }
    }
    return sum;
}

static uint64_t loop_await(uint64_t n) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        task_value value;
        vt v = next_ready(i);
        if (vt_await(&v, &value) == 0) {
            sum += value.u64;
        }
    }
    return sum;
}

static uint64_t loop_source(uint64_t n) {
    vt_source source;
    uint64_t sum = 0;
    vt_source_init(&source);
    for (uint64_t i = 0; i < n; i++) {
        task_value value;
        vt v = vt_from_source(&source);
        inside_check(vt_source_set_value(&source, (task_value){.u64 = i}), "vt_source_set_value");
        inside_check(vt_await(&v, &value), "vt_await");
        inside_check(vt_source_reset(&source), "vt_source_reset");
        sum += value.u64;
    }
    inside_check(vt_source_fini(&source), "vt_source_fini");
    return sum;
}

static void measure(load_run *run, uint64_t (*loop)(uint64_t n)) {
    loop(1000);
#ifdef READY_COUNTS
    uint64_t before = __atomic_load_n(&a_bytes, __ATOMIC_RELAXED);
#endif
    load_begin(run);
    run->result = loop(run->size);
    load_end(run);
#ifdef READY_COUNTS
    uint64_t allocated = __atomic_load_n(&a_bytes, __ATOMIC_RELAXED) - before;
    load_extra(run, "bytes_per_operation", (double)allocated / (double)run->size);
#endif
    load_extra(run, "ns", 1e9 * run->seconds / (double)run->size);
    run->operations = run->size;
    run->expected = run->size * (run->size - 1) / 2;
}

static void run_call(load_run *run) { measure(run, loop_call); }
static void run_xchg(load_run *run) { measure(run, loop_xchg); }
static void run_await_now(load_run *run) { measure(run, loop_await_now); }
static void run_await(load_run *run) { measure(run, loop_await); }
static void run_source(load_run *run) { measure(run, loop_source); }

static const load_variant variants[] = {
    {"await_now", run_await_now}, {"await", run_await}, {"source", run_source}, {"call", run_call}, {"xchg", run_xchg}};

LOAD_MAIN("ready", "vtask", 50000000, variants)
