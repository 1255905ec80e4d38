/* task/misuse.h: reports of what a caller did wrong. */
#ifndef VTI_TASK_MISUSE_H
#define VTI_TASK_MISUSE_H

#include <stddef.h>
#include <stdint.h>
#include <vtask/vt.h>

#include "base/compiler.h"
#include "sched/worker.h"
#include "task/task.h"

struct misuse {
    int code;
    const char *call; /* the public name of the offending call */
    const char *where, *first_where, *origin;
    uint64_t first;     /* vti_who() of the first consumer; 0: not known */
    const char *words;  /* what is wrong, or NULL: the code's own text */
    const char *detail; /* one more sentence, or NULL */
};

/* Tells the hook, or stderr. On the offender's thread. */
void vti_misuse_report(const struct misuse *m);

/* Who somebody is, in one word: the thread in the upper 22 bits (all the kernel gives), its task's id in the rest. */
#define WHO_TASK_BITS 42
#define WHO_TASK_MASK (((uint64_t)1 << WHO_TASK_BITS) - 1)

/* This thread and its task. Remembers the task's name, so that a later report can show it. */
uint64_t vti_who(void);

/* The calling thread's part of it; 0: not asked for yet, in this process. (What inlined code reads, vtask_who_v1, is the
 * same, but on threads that run tasks it stays 0: there who it is changes, and the library looks.) */
extern _Thread_local uint64_t vti_who_thread __attribute__((tls_model("initial-exec")));

/* The same by a few loads; 0: ask vti_who(). */
static inline uint64_t vti_who_quick(void) {
    uint64_t thread = vti_who_thread;
    const struct frame *f = vti_self.frame;
    const task *t = f != NULL ? f->task : NULL;
    if (LIKELY(t == NULL || thread == 0)) {
        return thread;
    }
    return t->name == NULL ? thread | (t->id & WHO_TASK_MASK) : 0;
}

#endif
