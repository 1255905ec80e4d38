/* task/source.h: what a value-task over a source may ask of it. */
#ifndef VTI_TASK_SOURCE_H
#define VTI_TASK_SOURCE_H

#include <stdbool.h>
#include <vtask/vt.h>

#include "task/claim.h"

#define SOURCE_MAGIC 0x76745f736f757263u
/* Nothing is carried: whoever got the source got what its initialisation wrote by the same edge. */
static inline bool vti_source_is_good(const vt_source *s) { return s != NULL && load_rlx(&s->magic) == SOURCE_MAGIC; }
/* Waits until it is complete. 0, or the code of a wait that failed. */
int vti_source_wait(vt_source *s);
/* The outcome of a complete source. Who reads it before his ticket is taken may come late, and read another use's. */
static inline int vti_source_outcome(const vt_source *s, task_value *value) {
    value->u64 = load_rlx(&s->value.u64); /* the list's CLOSED carries both */
    return load_rlx(&s->error);
}
/* A task that ends as the source does. In two steps: the first allocates, the second cannot fail and takes the await
 * that the caller has begun in the source's claim word along. */
struct bridge;
struct bridge *vti_bridge_new(const char *where);
task *vti_bridge_start(struct bridge *b, vt_source *s);
void vti_bridge_drop(struct bridge *b);

#endif
