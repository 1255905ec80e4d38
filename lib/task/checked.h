/* task/checked.h: VTASK_OPTIONS=checked: tickets for READY value-tasks, which have no task or source to hold them.
 *
 * A side table of words {use 27, out 1}: giving a ticket out is +1 (out), spending it is a CAS to +1 again (not out), so
 * of all copies of a READY value-task exactly one is spent. A table that is full gives none, and that value-task is
 * unchecked.
 */
#ifndef VTI_TASK_CHECKED_H
#define VTI_TASK_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

/* A ticket of at most 48 bits, never 0; 0: none to be had. */
uint64_t vti_checked_issue(void);
/* Spends it; false: a copy was spent before. */
bool vti_checked_spend(uint64_t ticket);

#endif
