/* task/waitlist.h: who waits for an end, and whether it has come: the one word that both decides.
 *
 *   OPEN (NULL) --- add ---> a list of waiters --- remove the last ---> OPEN
 *   OPEN --- close: CAS, no lock ---> CLOSED        a list --- close, under the lock ---> CLOSED
 *   OPEN, a list --- hand over ---> the same with OWED, until CLOSED
 *
 * OWED: who held the object has left it to the closer, who learns of it as he closes: either the one who leaves finds
 * CLOSED, and ends the object himself, or the closer finds OWED, and does.
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
#include <stddef.h>
#include <stdint.h>
#endif

#include "base/atomic.h"

struct waiter {
    struct waiter *next, *prev;
    void (*fire)(struct waiter *w); /* on the closer's thread; may free the waiter; must not block */
};

typedef ATOMIC_POINTER(void) waitlist; /* the word; in public structs a plain void * */

#define WAITLIST_CLOSED ((void *)1)
#define WAITLIST_OWED ((uintptr_t)2) /* a bit beside the pointer */

static inline struct waiter *waitlist_first(void *word) { return (struct waiter *)((uintptr_t)word & ~WAITLIST_OWED); }
static inline bool waitlist_is_owed(void *word) { return ((uintptr_t)word & WAITLIST_OWED) != 0; }
static inline void *waitlist_word(struct waiter *first, void *old) {
    return (void *)((uintptr_t)first | ((uintptr_t)old & WAITLIST_OWED));
}

static inline bool waitlist_is_closed(const waitlist *l) { return load_acq(l) == WAITLIST_CLOSED; } /* [L1] */

/* --- the steps; those named _locked under the list's lock --- */

static inline bool waitlist_add_locked(waitlist *l, struct waiter *w) {
    void *head = load_acq(l); /* [L1] */
    do {
        if (head == WAITLIST_CLOSED) {
            return false;
        }
        w->next = waitlist_first(head);
        w->prev = NULL;
    } while (!cas_acqrel(l, &head, waitlist_word(w, head))); /* fails only if an empty list is closed or handed over */
    if (w->next != NULL) {
        w->next->prev = w;
    }
    return true;
}

static inline bool waitlist_remove_locked(waitlist *l, struct waiter *w) {
    void *head = load_acq(l); /* [L1] */
    if (head == WAITLIST_CLOSED) {
        return false;
    }
    if (w->next != NULL) {
        w->next->prev = w->prev;
    }
    if (w->prev != NULL) {
        w->prev->next = w->next;
    } else {
        store_rel(l, waitlist_word(w->next, head)); /* a list that is not empty changes under the lock only */
    }
    return true;
}

/* Closes a list without waiters; false: it has some, and nothing has happened. */
static inline bool waitlist_close_empty(waitlist *l, bool *owed) {
    void *head = NULL;
    while (!cas_acqrel(l, &head, WAITLIST_CLOSED)) { /* [L1] */
        if (waitlist_first(head) != NULL) {
            return false;
        }
    }
    *owed = waitlist_is_owed(head);
    return true;
}

/* Closes any list; the waiters, the newest first. */
static inline struct waiter *waitlist_close_locked(waitlist *l, bool *owed) {
    void *head = exchange_acqrel(l, WAITLIST_CLOSED); /* [L1] */
    *owed = waitlist_is_owed(head);
    return waitlist_first(head);
}

/* The same, where nobody closes without the lock or hands over: so all that change the list hold the lock. */
static inline struct waiter *waitlist_close_held(waitlist *l) {
    struct waiter *newest = (struct waiter *)load_acq(l);
    store_rel(l, WAITLIST_CLOSED); /* [L1] */
    return newest;
}

/* Hands over while nobody waits; false: somebody does, or it is closed: see *closed. */
static inline bool waitlist_hand_over_empty(waitlist *l, bool *closed) {
    void *head = NULL;
    bool done = cas_acqrel(l, &head, waitlist_word(NULL, (void *)WAITLIST_OWED)); /* [L1] */
    *closed = !done && head == WAITLIST_CLOSED;
    return done;
}

/* The same with waiters; false: it is closed. */
static inline bool waitlist_hand_over_locked(waitlist *l) {
    void *head = load_acq(l); /* [L1] */
    while (head != WAITLIST_CLOSED && !cas_acqrel(l, &head, (void *)((uintptr_t)head | WAITLIST_OWED))) {
    }
    return head != WAITLIST_CLOSED;
}

/* --- the whole --- */

#ifndef VTI_MODEL
/* false: it is closed, and the waiter was not added. */
bool vti_waitlist_add(waitlist *l, struct waiter *w);
/* false: it is closed: the waiter was fired or will be. */
bool vti_waitlist_remove(waitlist *l, struct waiter *w);
/* vti_waitlist_close() of a list that is not just open. */
bool vti_waitlist_close_any(waitlist *l);
/* Closes and fires all, first come first; says whether the object is owed to the caller. One closer only. */
static inline bool vti_waitlist_close(waitlist *l) {
    void *head = NULL;
    return UNLIKELY(!cas_acqrel(l, &head, WAITLIST_CLOSED)) && vti_waitlist_close_any(l); /* [L1] */
}
/* Leaves the object to the closer; false: it is closed. */
bool vti_waitlist_hand_over(waitlist *l);
/* Closes unless it is closed; `prepare` writes the outcome while no other closer can. false: it was closed. Of a list that
 * is closed in no other way, and never handed over. */
bool vti_waitlist_try_close(waitlist *l, void (*prepare)(void *context), void *context);

/* A thread that waits for the end; one outside pools gives way first, while that pays: true: it is closed. */
bool vti_waitlist_give_way(const waitlist *l);
void vti_waitlist_wait(waitlist *l);
#endif

#endif
