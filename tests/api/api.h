/* tests/api/api.h: what the suites share: gates, bounded waits, crews of threads, child processes, a recorder of reports.
 *
 * Threads are ordered by gates and barriers. A wait that lasts too long fails its test by name instead of hanging; the
 * limits are so generous that only a lost wake-up reaches them.
 */
#ifndef VTASK_TESTS_API_H
#define VTASK_TESTS_API_H

#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vtask.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#endif
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#endif
#if !defined(UNDER_TSAN)
#define UNDER_TSAN 0
#endif
#if !defined(UNDER_ASAN)
#define UNDER_ASAN 0
#endif
#define UNDER_SANITIZER (UNDER_TSAN || UNDER_ASAN)

/** Seconds after which a wait is taken for a hang, and Check's own limit for a whole test. */
#define WAIT_LIMIT 60
#define TEST_LIMIT 150

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** An assertion for hot loops and other threads: cheap while it holds. */
#define must(condition)                                                        \
    do {                                                                       \
        if (!(condition))                                                      \
            ck_abort_msg("%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
    } while (0)

/** As must(), in a child process. */
#define child_must(condition)                                                       \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            _exit(99);                                                              \
        }                                                                           \
    } while (0)

/** Fewer rounds where each costs more. */
static inline unsigned scaled(unsigned full) {
    unsigned n = UNDER_TSAN ? full / 20 : UNDER_ASAN ? full / 8 : full;
    return n > 0 ? n : 1;
}

static inline task_value as_i64(int64_t x) {
    task_value v;
    v.i64 = x;
    return v;
}

static inline task_value as_u64(uint64_t x) {
    task_value v;
    v.u64 = x;
    return v;
}

static inline task_value as_ptr(void *p) {
    task_value v;
    v.u64 = 0;
    v.ptr = p;
    return v;
}

static inline uint64_t my_tid(void) { return (uint64_t)syscall(SYS_gettid); }

/* ---- bounded waits ---- */

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void breathe(void) {
    struct timespec t = {0, 200000};
    nanosleep(&t, NULL);
}

#define until(condition)                                                          \
    do {                                                                          \
        double until_limit = now() + WAIT_LIMIT;                                  \
        while (!(condition)) {                                                    \
            if (now() > until_limit)                                              \
                ck_abort_msg("%s:%d: never: %s", __FILE__, __LINE__, #condition); \
            breathe();                                                            \
        }                                                                         \
    } while (0)

/* ---- gates ---- */

/** Opens once; counts who has arrived. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned arrived;
    bool open;
} gate;

#define GATE_INIT \
    { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false }

static inline void gate_init(gate *g) {
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    g->arrived = 0;
    g->open = false;
}

static inline void gate_limit(struct timespec *t) {
    clock_gettime(CLOCK_REALTIME, t);
    t->tv_sec += WAIT_LIMIT;
}

static inline void gate_arrive(gate *g) {
    pthread_mutex_lock(&g->lock);
    g->arrived++;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static inline void gate_open(gate *g) {
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static inline void gate_pass(gate *g) {
    struct timespec limit;
    gate_limit(&limit);
    pthread_mutex_lock(&g->lock);
    g->arrived++;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        if (pthread_cond_timedwait(&g->changed, &g->lock, &limit) == ETIMEDOUT && !g->open)
            ck_abort_msg("a gate was never opened");
    pthread_mutex_unlock(&g->lock);
}

static inline unsigned gate_count(gate *g) {
    unsigned n;
    pthread_mutex_lock(&g->lock);
    n = g->arrived;
    pthread_mutex_unlock(&g->lock);
    return n;
}

/** Waits until n have arrived. */
static inline void gate_await_at(gate *g, unsigned n, const char *where) {
    struct timespec limit;
    gate_limit(&limit);
    pthread_mutex_lock(&g->lock);
    while (g->arrived < n)
        if (pthread_cond_timedwait(&g->changed, &g->lock, &limit) == ETIMEDOUT && g->arrived < n)
            ck_abort_msg("%s: only %u of %u ever arrived at a gate", where, g->arrived, n);
    pthread_mutex_unlock(&g->lock);
}
#define gate_await(g, n) gate_await_at((g), (n), VTASK_WHERE)

/** A task that arrives at a gate, stays until it opens, and yields 7. */
static inline int wait_at_gate(void *arg, task_value *result) {
    gate_pass(arg);
    result->i64 = 7;
    return 0;
}

/* ---- threads ---- */

#define CREW_MAX 512u

typedef struct crew {
    pthread_t ids[CREW_MAX];
    unsigned n;
} crew;

static inline void crew_add(crew *c, void *(*fn)(void *), void *arg) {
    pthread_attr_t attr;
    must(c->n < CREW_MAX);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 512u * 1024u);
    must(pthread_create(&c->ids[c->n], &attr, fn, arg) == 0);
    pthread_attr_destroy(&attr);
    c->n++;
}

static inline void crew_join(crew *c) {
    while (c->n > 0)
        must(pthread_join(c->ids[--c->n], NULL) == 0);
}

/** Threads of this process at this moment. */
static inline unsigned threads_now(void) {
    unsigned n = 0;
    DIR *d = opendir("/proc/self/task");
    struct dirent *e;
    if (d == NULL)
        return 0;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            n++;
    closedir(d);
    return n;
}

/** Pages of memory this process holds, in bytes. */
static inline size_t resident_bytes(void) {
    unsigned long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%lu %lu", &all, &resident) != 2)
        resident = 0;
    fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

static inline task_pool *pool_of(unsigned workers) {
    task_pool_options o = TASK_POOL_OPTIONS_INIT;
    task_pool *p = NULL;
    o.workers = workers;
    must(task_pool_create(&p, &o) == 0);
    must(p != NULL);
    return p;
}

static inline task *run_in(task_pool *pool, task_fn *fn, void *arg) {
    task_options o = TASK_OPTIONS_INIT;
    task *t;
    o.pool = pool;
    t = task_run_with(&o, fn, arg);
    must(t != NULL);
    return t;
}

static inline void close_pool(task_pool *pool) { must(task_pool_close(pool) == 0); }

/** Runs fn(arg) as a task of the pool and gives its code. */
static inline int do_in(task_pool *pool, task_fn *fn, void *arg) { return task_join(run_in(pool, fn, arg), NULL); }

/* ---- a task that ends when its writer says so ---- */

typedef struct writer {
    vt_source source;
    task *task;
} writer;

static inline void writer_init(writer *w) {
    vt v;
    vt_source_init(&w->source);
    v = vt_from_source(&w->source);
    w->task = vt_as_task(&v);
    must(w->task != NULL);
}

static inline void writer_set(writer *w, int error, int64_t x) {
    must((error ? vt_source_set_error(&w->source, error) : vt_source_set_value(&w->source, as_i64(x))) == 0);
}

static inline void writer_fini(writer *w) {
    task_release(w->task);
    until(vt_source_fini(&w->source) == 0);
}

/* ---- misuse reports ---- */

#define NONE "<none>"
#define REPORTS_KEPT 600u

typedef struct report {
    int code;
    char where[96], first_where[96], origin[96], task_name[48], first_task_name[48], text[2048];
    uint64_t thread, first_thread, task, first_task, hook_thread;
} report;

typedef struct reports {
    pthread_mutex_t lock;
    unsigned n;
    report kept[REPORTS_KEPT];
} reports;

static inline void keep_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from != NULL ? from : NONE);
}

static inline void record(const vt_misuse *m, void *context) {
    reports *all = context;
    pthread_mutex_lock(&all->lock);
    if (all->n < REPORTS_KEPT) {
        report *r = &all->kept[all->n];
        r->code = m->code;
        keep_text(r->where, sizeof r->where, m->where);
        keep_text(r->first_where, sizeof r->first_where, m->first_where);
        keep_text(r->origin, sizeof r->origin, m->origin);
        keep_text(r->task_name, sizeof r->task_name, m->task_name);
        keep_text(r->first_task_name, sizeof r->first_task_name, m->first_task_name);
        keep_text(r->text, sizeof r->text, m->text);
        r->thread = m->thread;
        r->first_thread = m->first_thread;
        r->task = m->task;
        r->first_task = m->first_task;
        r->hook_thread = my_tid();
    }
    all->n++;
    pthread_mutex_unlock(&all->lock);
}

static inline unsigned reports_count(reports *all) {
    unsigned n;
    pthread_mutex_lock(&all->lock);
    n = all->n;
    pthread_mutex_unlock(&all->lock);
    return n;
}

static inline void reports_clear(reports *all) {
    pthread_mutex_lock(&all->lock);
    all->n = 0;
    pthread_mutex_unlock(&all->lock);
}

/** One recorder for a test process; listen() puts it in place. */
static reports heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline void listen_to_reports(void) {
    reports_clear(&heard);
    vt_on_misuse(record, &heard);
}

static inline bool is_one_of(const char *s, const char *a, const char *b) {
    return strcmp(s, a) == 0 || strcmp(s, b) == 0;
}

static inline bool mentions_number(const char *text, uint64_t n) {
    char digits[32];
    const char *at = text;
    size_t length = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    while ((at = strstr(at, digits)) != NULL) {
        bool starts = at == text || at[-1] < '0' || at[-1] > '9';
        bool ends = at[length] < '0' || at[length] > '9';
        if (starts && ends)
            return true;
        at++;
    }
    return false;
}

/* ---- child processes: this program again, as `--child NAME` ---- */

typedef struct child_end {
    int status;
    size_t length;
    char err[32768];
} child_end;

static inline void run_child(const char *name, const char *options, child_end *end) {
    int fds[2];
    pid_t pid;
    double limit = now() + WAIT_LIMIT;
    memset(end, 0, sizeof *end);
    must(pipe2(fds, O_CLOEXEC) == 0);
    fflush(NULL);
    pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], 2);
        if (options != NULL)
            setenv("VTASK_OPTIONS", options, 1);
        else
            unsetenv("VTASK_OPTIONS");
        execl("/proc/self/exe", "child", "--child", name, (char *)NULL);
        _exit(98);
    }
    close(fds[1]);
    for (;;) {
        struct pollfd p = {fds[0], POLLIN, 0};
        ssize_t n;
        if (now() > limit) {
            kill(pid, SIGKILL);
            waitpid(pid, &end->status, 0);
            ck_abort_msg("child %s hangs; it said: %s", name, end->err);
        }
        if (poll(&p, 1, 1000) <= 0)
            continue;
        n = read(fds[0], end->err + end->length, sizeof end->err - 1 - end->length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        end->length += (size_t)n;
        if (end->length == sizeof end->err - 1)
            end->length /= 2;
    }
    end->err[end->length] = 0;
    close(fds[0]);
    for (;;) {
        pid_t got = waitpid(pid, &end->status, WNOHANG);
        must(got >= 0);
        if (got == pid)
            break;
        if (now() > limit) {
            kill(pid, SIGKILL);
            waitpid(pid, &end->status, 0);
            ck_abort_msg("child %s hangs at its end", name);
        }
        breathe();
    }
}

#define assert_exits(end, code)                                                                               \
    ck_assert_msg(WIFEXITED((end)->status) && WEXITSTATUS((end)->status) == (code), "status %#x, stderr: %s", \
                  (unsigned)(end)->status, (end)->err)

/** SIGABRT, or what a sanitizer makes of it. */
#define assert_aborts(end)                                                                                    \
    ck_assert_msg(WIFSIGNALED((end)->status) && WTERMSIG((end)->status) == SIGABRT, "status %#x, stderr: %s", \
                  (unsigned)(end)->status, (end)->err)

typedef struct child_main {
    const char *name;
    int (*fn)(void);
} child_main;

/** The main of every suite. */
static inline int suite_main(int argc, char **argv, Suite *(*make)(void), const child_main *children, size_t n) {
    SRunner *runner;
    int failed;
    if (argc == 3 && strcmp(argv[1], "--child") == 0) {
        for (size_t i = 0; i < n; i++)
            if (strcmp(children[i].name, argv[2]) == 0)
                return children[i].fn();
        return 97;
    }
    runner = srunner_create(make());
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

static inline TCase *case_in(Suite *s, const char *name) {
    TCase *c = tcase_create(name);
    tcase_set_timeout(c, TEST_LIMIT);
    suite_add_tcase(s, c);
    return c;
}

#endif
