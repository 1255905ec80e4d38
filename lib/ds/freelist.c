/* ds/freelist.c: the seam to ck_stack for memory. Built without ThreadSanitizer: see base/sanitizer.h. */
#include "ds/freelist.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/sanitizer.h"

#define STRETCH_MOST ((size_t)2 * 1024 * 1024)

void vti_freelist_init(struct freelist *f, size_t block_size) {
    ASSERT(block_size >= sizeof(struct freelist_slab) && (block_size & (block_size - 1)) == 0);
    f->local = NULL;
    f->block_size = block_size;
    f->stretches = NULL;
    f->fresh = f->fresh_end = NULL;
    f->stretch_size = FREELIST_SLAB;
    ck_stack_init(&f->returned);
}

void vti_freelist_fini(struct freelist *f) {
    while (f->stretches != NULL) {
        struct freelist_slab *first = f->stretches;
        f->stretches = first->next;
        vti_free(first); /* with the poison that its blocks may have: it is the allocator's now */
    }
    f->local = NULL;
    f->fresh = f->fresh_end = NULL;
}

/* Its header takes the place of its first block. */
static void carve(struct freelist *f, char *slab) {
    struct freelist_slab *header = (struct freelist_slab *)(void *)slab;
    memset(header + 1, 0, FREELIST_SLAB - sizeof *header);
    header->home = f;
    for (size_t at = FREELIST_SLAB - f->block_size; at > 0; at -= f->block_size) {
        struct ck_stack_entry *block = (struct ck_stack_entry *)(void *)(slab + at);
        block->next = f->local;
        f->local = block;
    }
}

/* Takes a stretch from the heap, a small one where there is no large one; false: there is none. */
static bool stretch(struct freelist *f) {
    char *memory = vti_alloc_aligned_raw(f->stretch_size, f->stretch_size);
    if (memory == NULL && f->stretch_size > FREELIST_SLAB) {
        f->stretch_size = FREELIST_SLAB;
        memory = vti_alloc_aligned_raw(FREELIST_SLAB, FREELIST_SLAB);
    }
    if (memory == NULL) {
        return false;
    }
    struct freelist_slab *first = (struct freelist_slab *)(void *)memory;
    f->fresh = memory;
    f->fresh_end = memory + f->stretch_size;
    if (f->stretch_size < STRETCH_MOST) {
        f->stretch_size *= 2;
    }
    first->next = f->stretches;
    f->stretches = first;
    return true;
}

static void take_returned(struct freelist *f) {
    f->local = ck_stack_batch_pop_upmc(&f->returned);
    if (seam_is_watched()) {
        for (struct ck_stack_entry *block = f->local; block != NULL; block = block->next) {
            seam_acquire(block); /* [F1] */
        }
    }
}

void vti_freelist_refill(struct freelist *f) {
    take_returned(f);
    if (f->local != NULL) {
        return;
    }
    if (f->fresh != f->fresh_end || stretch(f)) {
        carve(f, f->fresh);
        f->fresh += FREELIST_SLAB;
    }
}

void vti_freelist_return(struct freelist *home, void *block) {
    seam_release(block);   /* [F1] */
    ck_pr_fence_release(); /* [F1] ck's own fence orders stores only */
    ck_stack_push_upmc(&home->returned, (struct ck_stack_entry *)block);
}
