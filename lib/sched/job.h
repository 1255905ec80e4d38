/* sched/job.h: what queues carry. Heap tasks and tickets begin with a job; the scheduler knows no more of them. */
#ifndef VTI_SCHED_JOB_H
#define VTI_SCHED_JOB_H

#include <stdbool.h>

#include "ds/inbox.h"

struct job;

struct job_kind {
    /* Runs the job, or drops it if somebody else has claimed it; the queue's hold on it ends here. */
    void (*run)(struct job *job);
    /* If somebody has claimed it: drops it and says so. */
    bool (*drop_if_dead)(struct job *job);
    /* From here on more than one may reach it: it leaves a private end for a queue. */
    void (*share)(struct job *job);
};

struct job {
    union {                    /* whoever queued it last */
        inbox_entry entry;     /* links it in an inbox */
        struct vtask_slot *at; /* its slot, while it is in a private end; a hint for who does not know that */
    };
    const struct job_kind *kind;
};

#endif
