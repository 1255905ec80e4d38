/* ds/ring.h: a worker's stealable end: a bounded queue that one thread fills and anybody empties, oldest first.
 *
 * A ck_ring, single producer, multiple consumers. The owner's push is two plain stores; a take is one CAS.
 * [R1] push -> take: carries everything the owner wrote before the push. ck orders it (store fence before the tail
 *      moves, load fence after it was read); ThreadSanitizer is told by hand, keyed by the item's address.
 * Lifetime: a taker reads a slot before it knows whether it won; the slot is the ring's, never the item's, and a
 * loser drops what it read.
 * Rejected: a Chase-Lev deque (its owner's take needs a store-load fence at every pop; see also base/atomic.h on
 * stand-alone fences under ThreadSanitizer).
 */
#ifndef VTI_DS_RING_H
#define VTI_DS_RING_H

#include <ck_ring.h>
#include <stdbool.h>
#include <stddef.h>

#define RING_SLOTS 256u                /* a power of two */
#define RING_CAPACITY (RING_SLOTS - 1) /* ck_ring keeps one slot free */

struct ring {
    struct ck_ring ck;
    struct ck_ring_buffer slots[RING_SLOTS];
};

void vti_ring_init(struct ring *r);
/* Puts `item` at the newest end; false: full, and nothing has happened. Owner only. */
bool vti_ring_push_owner(struct ring *r, void *item);
/* Takes the oldest item; NULL: it was empty at some moment of the call. Anybody. */
void *vti_ring_take_any(struct ring *r);
/* How many there were a moment ago. Anybody. */
size_t vti_ring_size(struct ring *r);

#endif
