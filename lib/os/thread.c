/* os/thread.c: threads, mutexes and thread-specific clean-up. */
#include "os/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/atomic.h"

/* A worker runs the application's tasks: signals belong to the application's own threads, faults to who made them. */
static void signals_of_a_worker(sigset_t *set) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    (void)sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        (void)sigdelset(set, faults[i]);
    }
}

int vti_thread_start(os_thread *thread, size_t stack_size, void *(*main)(void *), void *argument) {
    pthread_attr_t attributes;
    sigset_t workers, callers;
    if (pthread_attr_init(&attributes) != 0) {
        return EAGAIN;
    }
    int error = stack_size > 0 ? pthread_attr_setstacksize(&attributes, stack_size) : 0;
    if (error == 0) {
        signals_of_a_worker(&workers);
        (void)pthread_sigmask(SIG_SETMASK, &workers, &callers); /* the new thread inherits the mask */
        error = pthread_create(thread, &attributes, main, argument);
        (void)pthread_sigmask(SIG_SETMASK, &callers, NULL);
    }
    (void)pthread_attr_destroy(&attributes);
    return error == 0 ? 0 : EAGAIN;
}

void vti_thread_join(os_thread thread) {
    int error = pthread_join(thread, NULL);
    if (error != 0) {
        FATAL("pthread_join", error);
    }
}

void vti_thread_detach(os_thread thread) {
    int error = pthread_detach(thread);
    if (error != 0) {
        FATAL("pthread_detach", error);
    }
}

void vti_thread_name(const char *name, unsigned index) {
    char suffix[12], whole[16];
    int digits = snprintf(suffix, sizeof suffix, "-%u", index);
    (void)snprintf(whole, sizeof whole, "%.*s%s", (int)(sizeof whole - 1) - digits, name, suffix);
    (void)pthread_setname_np(pthread_self(), whole); /* a thread without its name works as well */
}

char *vti_thread_stack_low(void) {
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
        return NULL;
    }
    if (pthread_attr_getstack(&attributes, &low, &size) != 0) {
        low = NULL;
    }
    (void)pthread_attr_destroy(&attributes);
    return low;
}

uint32_t vti_thread_id(void) {
    static _Thread_local uint32_t cached; /* a fork's child asks again: see on_fork_child() */
    static _Thread_local uint32_t cached_fork;
    if (UNLIKELY(cached == 0 || cached_fork != vti_fork_count())) {
        cached = (uint32_t)syscall(SYS_gettid);
        cached_fork = vti_fork_count();
    }
    return cached;
}

static void stand_still(int signal) {
    (void)signal;
    for (;;) {
        (void)pause();
    }
}

void vti_thread_hold_faults(void) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    static const struct sigaction action = {.sa_handler = stand_still}; /* static: this stack may be written to */
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        (void)sigaction(faults[i], &action, NULL);
    }
}

void vti_thread_sleep_us(uint32_t us) {
    struct timespec time = {us / 1000000, (long)(us % 1000000) * 1000};
    int kept = errno;
    (void)nanosleep(&time, NULL);
    errno = kept;
}

void vti_thread_give_way(void) { (void)sched_yield(); }

int vti_key_create(os_key *key, void (*at_exit)(void *)) { return pthread_key_create(key, at_exit); }
int vti_key_set(os_key key, void *value) { return pthread_setspecific(key, value); }

void vti_mutex_init(os_mutex *mutex) {
    int error = pthread_mutex_init(mutex, NULL);
    if (error != 0) {
        FATAL("pthread_mutex_init", error);
    }
}

void vti_mutex_fini(os_mutex *mutex) { (void)pthread_mutex_destroy(mutex); }

void vti_mutex_lock(os_mutex *mutex) {
    int error = pthread_mutex_lock(mutex);
    if (UNLIKELY(error != 0)) {
        FATAL("pthread_mutex_lock", error);
    }
}

void vti_mutex_unlock(os_mutex *mutex) {
    int error = pthread_mutex_unlock(mutex);
    if (UNLIKELY(error != 0)) {
        FATAL("pthread_mutex_unlock", error);
    }
}

static atomic_u32 a_forks;

enum { FORK_HOOKS_MOST = 8 };
static void (*fork_hooks[FORK_HOOKS_MOST])(void);

void vti_at_fork_child(void (*fn)(void)) {
    for (int i = 0; i < FORK_HOOKS_MOST; i++) {
        if (fork_hooks[i] == NULL) {
            fork_hooks[i] = fn;
            return;
        }
    }
    FATAL("vti_at_fork_child", FORK_HOOKS_MOST);
}

static void on_fork_child(void) {
    (void)add_rlx(&a_forks, 1u); /* the child has one thread: nothing is carried */
    for (int i = 0; i < FORK_HOOKS_MOST && fork_hooks[i] != NULL; i++) {
        fork_hooks[i]();
    }
}

__attribute__((constructor)) static void watch_forks(void) {
    int error = pthread_atfork(NULL, NULL, on_fork_child);
    if (error != 0) {
        FATAL("pthread_atfork", error);
    }
}

uint32_t vti_fork_count(void) { return load_rlx(&a_forks); } /* changes only in a process of one thread */
