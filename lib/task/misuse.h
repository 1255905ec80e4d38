/* task/misuse.h: reports of what a caller did wrong. */
#ifndef VTI_TASK_MISUSE_H
#define VTI_TASK_MISUSE_H

#include <stdint.h>
#include <vtask/vt.h>

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

/* This thread and its task in one word: thread in the upper 22 bits (all the kernel gives), the task's id in the rest.
 * Remembers the task's name, so that a later report can show it. */
uint64_t vti_who(void);

#endif
