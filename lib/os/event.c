/* os/event.c: one thread waits once for one event. */
#include "os/event.h"

#include "os/futex.h"

void vti_event_wait(struct event *e) {
    uint32_t state = EVENT_UNSET;
    (void)cas_acqrel(&e->a_state, &state, (uint32_t)EVENT_SLEEPING);
    while (!event_is_set(e)) { /* [E1] */
        vti_futex_wait(&e->a_state, EVENT_SLEEPING);
    }
}

void vti_event_set(struct event *e) {
    const uint32_t *word = &e->a_state;
    if (exchange_acqrel(&e->a_state, (uint32_t)EVENT_SET) == EVENT_SLEEPING) { /* [E1] */
        vti_futex_wake(word, 1);
    }
}
