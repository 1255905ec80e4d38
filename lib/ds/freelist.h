/* ds/freelist.h: equal blocks of memory for one owner, who takes them; anybody gives them back.
 *
 * Blocks are type-stable: what was once a block of this list stays one until vti_freelist_fini(), so that a late
 * reader of a block that was given back reads a valid word of the same kind.
 * [F1] give back -> take: carries the last user's accesses. Blocks freed away from home return through a ck_stack,
 *      which the owner empties at once; ThreadSanitizer is told by hand, keyed by the block's address.
 * The first 8 bytes of a free block link the list; the rest is left as it was.
 */
#ifndef VTI_DS_FREELIST_H
#define VTI_DS_FREELIST_H

#include <ck_stack.h>
#include <stddef.h>

struct freelist_slab;

struct freelist {
    struct ck_stack_entry *local; /* the owner's alone */
    size_t block_size;            /* a power of two, at least 16, at most 4096 */
    struct freelist_slab *slabs;  /* everything this list ever took from the heap; the owner's */
    char pad[CK_MD_CACHELINE];
    struct ck_stack returned; /* given back by others */
};

void vti_freelist_init(struct freelist *f, size_t block_size);
/* Gives all memory back to the heap; no block is in use any more. */
void vti_freelist_fini(struct freelist *f);
/* A block with any content, zero when it is taken for the first time; NULL: no memory. Owner only. */
void *vti_freelist_take_owner(struct freelist *f);
/* Gives a block back to the list it came from; `mine` is the caller's own list, or NULL. */
void vti_freelist_give_any(struct freelist *mine, void *block);

#endif
