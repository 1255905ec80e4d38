/* os/thread.h: threads, mutexes and thread-specific clean-up. */
#ifndef VTI_OS_THREAD_H
#define VTI_OS_THREAD_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

typedef pthread_t os_thread;
typedef pthread_mutex_t os_mutex;
#define OS_MUTEX_INIT PTHREAD_MUTEX_INITIALIZER

/* Starts a joinable thread that blocks all signals but the synchronous faults. stack_size 0: the system's.
 * Returns 0, or EAGAIN (no thread or no stack to be had). */
int vti_thread_start(os_thread *thread, size_t stack_size, void *(*main)(void *), void *argument);
void vti_thread_join(os_thread thread);
/* Nobody will join it. */
void vti_thread_detach(os_thread thread);
/* Names the calling thread, shortened to 15 bytes so that -<index> stays whole. */
void vti_thread_name(const char *name, unsigned index);
/* The lowest address of the calling thread's stack, or NULL where that is not known. */
char *vti_thread_stack_low(void);
/* The kernel's id of the calling thread. */
uint32_t vti_thread_id(void);
void vti_thread_give_way(void);
/* Sleeps about so long; a signal may end it early. errno is kept. */
void vti_thread_sleep_us(uint32_t us);
/* From here on a thread that faults stands still: the process is about to end with a report. */
void vti_thread_hold_faults(void);

/* A slot per thread whose value is handed to `at_exit` when a thread ends with one. Both return 0 or an errno. */
typedef pthread_key_t os_key;
int vti_key_create(os_key *key, void (*at_exit)(void *));
int vti_key_set(os_key key, void *value);

void vti_mutex_init(os_mutex *mutex);
void vti_mutex_fini(os_mutex *mutex);
void vti_mutex_lock(os_mutex *mutex);
void vti_mutex_unlock(os_mutex *mutex);

/* Calls `fn` in the child of every fork, on its only thread. From constructors only. */
void vti_at_fork_child(void (*fn)(void));
/* How often this process has forked since the library was first asked: what was made under another number belongs to
 * another process. */
uint32_t vti_fork_count(void);

#endif
