/* task/block.h: a thread's home of blocks, and the way to take one without a call. See block.c. */
#ifndef VTI_TASK_BLOCK_H
#define VTI_TASK_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/sanitizer.h"
#include "ds/freelist.h"
#include "task/task.h"

struct home {
    struct freelist blocks;
    uint64_t next_id, end_id; /* ids that this home may give */
    struct home *next;        /* in the list of orphans */
};
extern _Thread_local struct home *vti_home; /* NULL: the thread has none yet */

/* The calling thread's home, with an id to give; NULL: no memory. */
struct home *vti_home_with_id(void);

#ifdef VTASK_DEBUG
void vti_blocks_count(int64_t change);
#else
static inline void vti_blocks_count(int64_t change) { (void)change; }
#endif

/* What a stale value-task looks at stays readable: the claim word, and the list before it. So does the free list's link. */
_Static_assert(offsetof(task, a_claims) == offsetof(task, waiters) + sizeof(waitlist), "one readable stretch");
static inline void vti_block_poison(task *t, void (*act)(const volatile void *, size_t)) {
    char *kept = (char *)&t->waiters, *after = (char *)&t->a_claims + sizeof t->a_claims;
    act((char *)t + sizeof(inbox_entry), (size_t)(kept - (char *)t) - sizeof(inbox_entry));
    act(after, (size_t)((char *)(t + 1) - after));
}

/* Whether the calling thread has a block and an id at hand. */
static inline bool vti_block_is_at_hand(void) {
    const struct home *h = vti_home;
    return h != NULL && h->next_id != h->end_id && h->blocks.local != NULL;
}

/* A block with a new id and without extra; NULL: no memory. The rest is as its last user left it. */
static inline task *vti_block_take(void) {
    struct home *h = vti_home;
    if (UNLIKELY(h == NULL || h->next_id == h->end_id)) {
        h = vti_home_with_id();
    }
    task *t = h != NULL ? (task *)vti_freelist_take_owner(&h->blocks) : NULL;
    if (LIKELY(t != NULL)) {
        vti_block_poison(t, unpoison);
        vti_blocks_count(1);
        t->id = h->next_id++;
    }
    return t;
}

/* Its extra is gone. The claim word stays: no ticket is out, so the next one begins a new generation. */
static inline void vti_block_give(task *t) {
    struct home *h = vti_home;
    vti_block_poison(t, poison);
    vti_blocks_count(-1);
    vti_freelist_give_any(h != NULL ? &h->blocks : NULL, t);
}

#endif
