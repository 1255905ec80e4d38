/* ds/ring.c: the seam to ck_ring. Built without ThreadSanitizer: see base/sanitizer.h. */
#include "ds/ring.h"

#include <ck_backoff.h>

#include "base/sanitizer.h"

void vti_ring_init(struct ring *r) { ck_ring_init(&r->ck, RING_SLOTS); }

bool vti_ring_push_owner(struct ring *r, void *item) {
    seam_release(item);    /* [R1] */
    ck_pr_fence_release(); /* [R1] ck's own fence orders stores only */
    return ck_ring_enqueue_spmc(&r->ck, r->slots, item);
}

void *vti_ring_take_any(struct ring *r) {
    void *item = NULL;
    ck_backoff_t backoff = 1;
    while (!ck_ring_trydequeue_spmc(&r->ck, r->slots, &item)) {
        if (ck_ring_size(&r->ck) == 0) {
            return NULL;
        }
        ck_backoff_eb(&backoff); /* lost to another taker: that one made progress */
    }
    seam_acquire(item); /* [R1] */
    return item;
}

size_t vti_ring_size(struct ring *r) { return ck_ring_size(&r->ck); }
