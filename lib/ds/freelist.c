/* ds/freelist.c: the seam to ck_stack for memory. Built without ThreadSanitizer: see base/sanitizer.h. */
#include "ds/freelist.h"

#include <stdint.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/sanitizer.h"

#define SLAB_SIZE ((size_t)64 * 1024)

/* A slab begins at a multiple of its size, so that a block finds its list. */
struct freelist_slab {
    struct freelist *home;
    struct freelist_slab *next;
};

static struct freelist_slab *slab_of(const void *block) {
    return (struct freelist_slab *)((uintptr_t)block & ~(uintptr_t)(SLAB_SIZE - 1));
}

void vti_freelist_init(struct freelist *f, size_t block_size) {
    ASSERT(block_size >= sizeof(struct freelist_slab) && (block_size & (block_size - 1)) == 0);
    f->local = NULL;
    f->block_size = block_size;
    f->slabs = NULL;
    ck_stack_init(&f->returned);
}

void vti_freelist_fini(struct freelist *f) {
    while (f->slabs != NULL) {
        struct freelist_slab *slab = f->slabs;
        f->slabs = slab->next;
        unpoison(slab, SLAB_SIZE);
        vti_free(slab);
    }
    f->local = NULL;
}

/* The slab's header takes the place of its first block. */
static void carve(struct freelist *f, struct freelist_slab *slab) {
    for (size_t at = SLAB_SIZE - f->block_size; at > 0; at -= f->block_size) {
        struct ck_stack_entry *block = (struct ck_stack_entry *)(void *)((char *)slab + at);
        block->next = f->local;
        f->local = block;
    }
}

static void refill(struct freelist *f) {
    f->local = ck_stack_batch_pop_upmc(&f->returned);
    if (f->local != NULL) {
        return;
    }
    struct freelist_slab *slab = vti_alloc_aligned(SLAB_SIZE, SLAB_SIZE);
    if (slab != NULL) {
        slab->home = f;
        slab->next = f->slabs;
        f->slabs = slab;
        carve(f, slab);
    }
}

void *vti_freelist_take_owner(struct freelist *f) {
    if (f->local == NULL) {
        refill(f);
    }
    struct ck_stack_entry *block = f->local;
    if (block != NULL) {
        f->local = block->next;
        block->next = NULL;
        seam_acquire(block); /* [F1] */
    }
    return block;
}

void vti_freelist_give_any(struct freelist *mine, void *block) {
    struct freelist *home = slab_of(block)->home;
    struct ck_stack_entry *entry = block;
    seam_release(block);   /* [F1] */
    ck_pr_fence_release(); /* [F1] ck's own fence orders stores only */
    if (home == mine) {
        entry->next = home->local;
        home->local = entry;
    } else {
        ck_stack_push_upmc(&home->returned, entry);
    }
}
