/* task/when_all.h: what an await of a when_all may do beyond waiting. */
#ifndef VTI_TASK_WHEN_ALL_H
#define VTI_TASK_WHEN_ALL_H

#include <stdbool.h>
#include <vtask/task.h>

/* If `t` is a when_all: runs those of its inputs that nobody has begun, on the calling worker. */
void vti_when_all_run_inputs(task *t);
/* If `t` is a when_all: whether one of its inputs cannot end before the innermost frame of this thread. */
bool vti_when_all_waits_for_me(task *t);

#endif
