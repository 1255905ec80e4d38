/* task/waitlist.h: who waits for an end, and whether it has come: the one word that both decides.
 *
 *   OPEN (NULL) --- add ---> a list of waiters --- remove the last ---> OPEN
 *   OPEN --- close: CAS, no lock ---> CLOSED        a list --- close, under the lock ---> CLOSED
 *
 * Adding, removing, and closing with waiters happen under one of a few mutexes, chosen by the word's address; closing
 * with none is a CAS, so adding the first waiter is one, too: exactly one of them wins. What was added is fired exactly
 * once, by the closer, or removed, never both: once CLOSED, remove says so.
 * [L1] close (release) -> closed, add's refusal, remove's refusal (acquire): carries the outcome and all before it.
 * Lifetime: after the store of CLOSED the closer touches the word no more; it reads a waiter's links before it fires
 * it, and the waiter may be gone once it was fired.
 * Rejected: a lock-free list (when_any must take a waiter out of a task that never ends, at once, in bounded memory).
 * Model: tests/model/waitlist.cpp.
 */
#ifndef VTI_TASK_WAITLIST_H
#define VTI_TASK_WAITLIST_H

#ifndef VTI_MODEL
#include <stdbool.h>
#endif

#include "base/atomic.h"

struct waiter {
    struct waiter *next, *prev;
    void (*fire)(struct waiter *w); /* on the closer's thread; may free the waiter; must not block */
};

typedef ATOMIC_POINTER(void) waitlist; /* the word; in public structs a plain void * */

#define WAITLIST_CLOSED ((void *)1)

static inline bool waitlist_is_closed(const waitlist *l) { return load_acq(l) == WAITLIST_CLOSED; } /* [L1] */

/* --- the steps; those named _locked under the list's lock --- */

static inline bool waitlist_add_locked(waitlist *l, struct waiter *w) {
    void *head = load_acq(l); /* [L1] */
    do {
        if (head == WAITLIST_CLOSED) {
            return false;
        }
        w->next = (struct waiter *)head;
        w->prev = NULL;
    } while (!cas_acqrel(l, &head, (void *)w)); /* fails only if somebody closes an empty list meanwhile */
    if (head != NULL) {
        w->next->prev = w;
    }
    return true;
}

static inline bool waitlist_remove_locked(waitlist *l, struct waiter *w) {
    if (load_acq(l) == WAITLIST_CLOSED) { /* [L1] */
        return false;
    }
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    if (w->prev != NULL) {
        w->prev->next = w->next;
    } else {
        store_rel(l, (void *)w->next); /* a list that is not empty changes under the lock only */
    }
    return true;
}

/* Closes a list without waiters; false: it has some, and nothing has happened. */
static inline bool waitlist_close_empty(waitlist *l) {
    void *head = NULL;
    return cas_acqrel(l, &head, WAITLIST_CLOSED); /* [L1] */
}

/* Closes any list; the waiters, the newest first. */
static inline struct waiter *waitlist_close_locked(waitlist *l) {
    return (struct waiter *)exchange_acqrel(l, WAITLIST_CLOSED); /* [L1] */
}

/* --- the whole --- */

#ifndef VTI_MODEL
/* false: it is closed, and the waiter was not added. */
bool vti_waitlist_add(waitlist *l, struct waiter *w);
/* false: it is closed: the waiter was fired or will be. */
bool vti_waitlist_remove(waitlist *l, struct waiter *w);
/* Closes and fires all, first come first. One closer only. */
void vti_waitlist_close(waitlist *l);
/* Closes unless it is closed; `prepare` writes the outcome while no other closer can. false: it was closed. */
bool vti_waitlist_try_close(waitlist *l, void (*prepare)(void *context), void *context);

/* A thread that waits for the end. */
void vti_waitlist_wait(waitlist *l);
#endif

#endif
