/* treehash/progress.h: what the tasks have done so far, the bar that shows it, and messages that keep clear of the bar.
 * treehash.c includes it. The bar is for a terminal; elsewhere stderr gets whole lines and nothing else. */
#ifndef TREEHASH_PROGRESS_H
#define TREEHASH_PROGRESS_H

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <vtask.h>

#define ERASE_LINE "\r\033[K"

struct progress {
    atomic_uint_fast64_t a_files_found, a_files_done;
    atomic_uint_fast64_t a_bytes_found, a_bytes_read, a_bytes_skipped; /* skipped: found, and need not be read */
    struct timespec begin;
    pthread_mutex_t lock; /* who writes to stderr, and `stop` */
    pthread_cond_t wake;
    bool stop;
    task *painter; /* NULL: there is no bar */
};

/* Relaxed: a counter is only ever a number to be shown; what a task wrote is carried by awaiting the task. */
static void count(atomic_uint_fast64_t *counter, uint64_t n) {
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t counted(atomic_uint_fast64_t *counter) { return atomic_load_explicit(counter, memory_order_relaxed); }

static double seconds_since(const struct timespec *begin) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static void progress_init(struct progress *p) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&p->lock, NULL);
    clock_gettime(CLOCK_MONOTONIC, &p->begin);
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* a line in one write */
}

static void progress_fini(struct progress *p) {
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
}

static void paint(struct progress *p) {
    static const char bar[] = "==============================";
    double to_read = (double)counted(&p->a_bytes_found) - (double)counted(&p->a_bytes_skipped);
    double done = (double)counted(&p->a_bytes_read);
    double share = to_read <= 0 ? 0 : done < to_read ? done / to_read : 1; /* files may grow */
    double rate = done / (seconds_since(&p->begin) + 1e-6);
    unsigned long left = rate > 0 ? (unsigned long)((1 - share) * to_read / rate) : 0;
    fprintf(stderr, "\r[%-30.*s] %3.0f%%  %" PRIuFAST64 "/%" PRIuFAST64 " files  %.1f MB/s  %lu:%02lu left\033[K",
            (int)(share * (double)(sizeof bar - 1)), bar, share * 100, counted(&p->a_files_done),
            counted(&p->a_files_found), rate / 1e6, left / 60, left % 60);
    fflush(stderr);
}

static int paint_until_stopped(void *arg, task_value *result) {
    struct progress *p = arg;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        paint(p);
        next.tv_nsec += 200L * 1000 * 1000;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&p->wake, &p->lock, &next);
    }
    fputs(ERASE_LINE, stderr);
    fflush(stderr);
    pthread_mutex_unlock(&p->lock);
    result->u64 = counted(&p->a_files_done);
    return 0;
}

/* The bar is a task like any other, but it mostly sleeps: so it gets a thread of its own beside the workers. */
static void progress_start(struct progress *p, task_pool *pool) {
    task_options options = TASK_OPTIONS_INIT;
    options.pool = pool;
    options.name = "progress";
    options.flags = TASK_LONG_RUNNING;
    if (isatty(STDERR_FILENO)) {
        p->painter = task_run_with(&options, paint_until_stopped, p); /* NULL: then without a bar */
    }
}

static void progress_stop(struct progress *p) {
    if (p->painter != NULL) {
        pthread_mutex_lock(&p->lock);
        p->stop = true;
        pthread_cond_signal(&p->wake);
        pthread_mutex_unlock(&p->lock);
        task_join(p->painter, NULL);
        p->painter = NULL;
    }
}

/* A name on stderr must not do harm to a terminal: control characters are shown as \ooo. */
static void put_visible(const char *name) {
    for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++) {
        if (*c < ' ' || *c == 0x7f || *c == '\\') {
            fprintf(stderr, "\\%03o", *c);
        } else {
            putc(*c, stderr);
        }
    }
}

/* One message about `name`, on a line of its own. */
static void report(struct progress *p, const char *name, const char *text) {
    pthread_mutex_lock(&p->lock);
    fputs(p->painter != NULL ? ERASE_LINE "treehash: " : "treehash: ", stderr);
    put_visible(name);
    fprintf(stderr, ": %s\n", text);
    pthread_mutex_unlock(&p->lock);
}

#endif
