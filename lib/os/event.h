/* os/event.h: one thread waits once for one event, outside of any queue. The event lives on the waiter's stack.
 *
 *   UNSET --- wait: CAS ---> SLEEPING --- set: exchange ---> SET        UNSET --- set: exchange ---> SET
 *
 * [E1] set (exchange, release) -> wait (acquire): carries everything the setter did. Both are RMWs of one word:
 *      either the waiter finds SET and does not sleep, or the setter finds SLEEPING and wakes.
 * Lifetime: with the exchange the setter has touched the event for the last time; the wake goes to the address only.
 */
#ifndef VTI_OS_EVENT_H
#define VTI_OS_EVENT_H

#include "base/atomic.h"

enum { EVENT_UNSET, EVENT_SLEEPING, EVENT_SET };

struct event {
    atomic_u32 a_state;
};

#define EVENT_INIT \
    { EVENT_UNSET }

/* Whether it is set; if so, with [E1]. */
static inline bool event_is_set(struct event *e) { return load_acq(&e->a_state) == EVENT_SET; } /* [E1] */
void vti_event_wait(struct event *e);
void vti_event_set(struct event *e);

#endif
