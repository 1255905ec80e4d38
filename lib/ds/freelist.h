/* ds/freelist.h: equal blocks of memory for one owner, who takes them; anybody gives them back.
 *
 * Blocks are type-stable: what was once a block of this list stays one until vti_freelist_fini(), so that a late
 * reader of a block that was given back reads a valid word of the same kind.
 * [F1] give back -> take: carries the last user's accesses. Blocks freed away from home return through a ck_stack,
 *      which the owner empties at once; ThreadSanitizer is told by hand, keyed by the block's address. At home there is
 *      nobody to carry to.
 * Memory comes from the heap in stretches, each twice as large as the one before, up to 2 MiB. A stretch is cut into slabs as
 * they are needed. Rejected: asking for huge pages (a million tasks take half the time where the kernel has them at hand,
 * and three times as long where it must make room first).
 * The first 8 bytes of a free block link the list; the rest is left as it was.
 * What the owner does with its own list is inlined, and knows nothing of ck but the link.
 */
#ifndef VTI_DS_FREELIST_H
#define VTI_DS_FREELIST_H

#include <ck_stack.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define FREELIST_SLAB ((size_t)64 * 1024)

/* A slab begins at a multiple of its size, so that a block finds its list. */
struct freelist_slab {
    struct freelist *home;
    struct freelist_slab *next; /* of the first slab of a stretch: that of the stretch before */
};

struct freelist {
    struct ck_stack_entry *local;    /* the owner's alone */
    size_t block_size;               /* a power of two, at least 16, at most 4096 */
    struct freelist_slab *stretches; /* everything this list ever took from the heap; the owner's */
    char *fresh, *fresh_end;         /* what is untouched of the last stretch */
    size_t stretch_size;             /* of the next one */
    char pad[CK_MD_CACHELINE];
    struct ck_stack returned; /* given back by others */
};

void vti_freelist_init(struct freelist *f, size_t block_size);
/* Gives all memory back to the heap; no block is in use any more. */
void vti_freelist_fini(struct freelist *f);
/* Fills an empty list; what is still empty then got no memory. Owner only. */
void vti_freelist_refill(struct freelist *f);
/* Gives a block back to a list that is not the caller's own. */
void vti_freelist_return(struct freelist *home, void *block);

/* A block with any content, zero when it is taken for the first time; NULL: no memory. Owner only. */
static inline void *vti_freelist_take_owner(struct freelist *f) {
    if (UNLIKELY(f->local == NULL)) {
        vti_freelist_refill(f);
    }
    struct ck_stack_entry *block = f->local;
    if (LIKELY(block != NULL)) {
        f->local = block->next;
    }
    return block;
}

/* Gives a block back to the list it came from; `mine` is the caller's own list, or NULL. */
static inline void vti_freelist_give_any(struct freelist *mine, void *block) {
    struct freelist *home = ((struct freelist_slab *)((uintptr_t)block & ~(uintptr_t)(FREELIST_SLAB - 1)))->home;
    if (LIKELY(home == mine)) {
        struct ck_stack_entry *entry = (struct ck_stack_entry *)block;
        entry->next = home->local;
        home->local = entry;
    } else {
        vti_freelist_return(home, block);
    }
}

#endif
