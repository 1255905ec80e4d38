/* ds/inbox.h: an unbounded first-in first-out queue that many fill without a lock and anybody empties in batches.
 *
 * Pushed entries land on a ck_stack. A taker holds the lock, pops the whole stack at once when the ordered list has
 * run out, reverses it, and hands out the oldest.
 * [I1] push -> take: carries everything the pusher wrote. ck's CAS orders it; ThreadSanitizer is told by hand, keyed
 *      by the entry's address.
 * Takers exclude each other by the mutex, so the list needs no protocol and a batch pop never meets a pop of one
 * (ck 0.7.1 forbids the mix). A pusher never waits.
 * Rejected: handing the rest of a large batch back to the stack (its order is lost), and keeping it at the worker
 * (nobody else could take it while that one computes).
 */
#ifndef VTI_DS_INBOX_H
#define VTI_DS_INBOX_H

#include <ck_stack.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/atomic.h"
#include "os/thread.h"

/* The first member of whatever travels through an inbox. */
typedef struct ck_stack_entry inbox_entry;

struct inbox {
    struct ck_stack pushed; /* newest first; touched by ck's operations only */
    os_mutex lock;          /* guards `ordered` */
    inbox_entry *a_ordered; /* oldest first; read without the lock to tell whether there is any */
};

void vti_inbox_init(struct inbox *b);
void vti_inbox_fini(struct inbox *b);
void vti_inbox_push_any(struct inbox *b, inbox_entry *entry);
/* Takes up to `most` entries, oldest first, into out[]; returns how many. Anybody. */
size_t vti_inbox_take_any(struct inbox *b, inbox_entry *out[], size_t most);
/* Whether an entry was there a moment ago. Anybody. */
bool vti_inbox_has_any(struct inbox *b);

#endif
