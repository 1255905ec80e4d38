/* ds/inbox.c: the seam to ck_stack for jobs. Built without ThreadSanitizer: see base/sanitizer.h. */
#include "ds/inbox.h"

void vti_inbox_init(struct inbox *b) {
    ck_stack_init(&b->pushed);
    b->a_ordered = NULL;
    vti_mutex_init(&b->lock);
}

void vti_inbox_fini(struct inbox *b) { vti_mutex_fini(&b->lock); }

void vti_inbox_push_any(struct inbox *b, inbox_entry *entry) {
    seam_release(entry);   /* [I1] */
    ck_pr_fence_release(); /* [I1] ck's own fence orders stores only */
    ck_stack_push_upmc(&b->pushed, entry);
}

/* Everything pushed so far, oldest first. Under the lock. */
static inbox_entry *oldest_first(struct inbox *b) {
    inbox_entry *newest = ck_stack_batch_pop_upmc(&b->pushed), *ordered = NULL;
    while (newest != NULL) {
        inbox_entry *older = newest->next;
        newest->next = ordered;
        ordered = newest;
        newest = older;
    }
    return ordered;
}

size_t vti_inbox_take_any(struct inbox *b, inbox_entry *out[], size_t most) {
    size_t n = 0;
    if (!vti_inbox_has_any(b)) {
        return 0;
    }
    vti_mutex_lock(&b->lock);
    inbox_entry *entry = load_rlx(&b->a_ordered); /* the lock carries the list */
    if (entry == NULL) {
        entry = oldest_first(b);
    }
    for (; n < most && entry != NULL; entry = entry->next) {
        out[n++] = entry;
    }
    store_rlx(&b->a_ordered, entry); /* the lock carries the list */
    vti_mutex_unlock(&b->lock);
    for (size_t i = 0; i < n; i++) {
        seam_acquire(out[i]); /* [I1] */
    }
    return n;
}

bool vti_inbox_has_any(struct inbox *b) {
    return load_rlx(&b->a_ordered) != NULL || ck_pr_load_ptr(&b->pushed.head) != NULL; /* a hint: nothing is carried */
}
