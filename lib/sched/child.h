/* sched/child.h: fork and join without a report: the public calls in lib/task add the words. */
#ifndef VTI_SCHED_CHILD_H
#define VTI_SCHED_CHILD_H

#include <vtask/child.h>

void vti_child_fork(vt_child *c, task_fn *fn, void *arg, const char *where);
/* Returns the child's code through *error and 0; or a VT_E_ code, and nothing has happened.
 * *first: the call site that joined it (VT_E_REPEATED) or forked it, as far as known. */
int vti_child_join(vt_child *c, task_value *result, int *error, const char *where, const char **first);

#endif
