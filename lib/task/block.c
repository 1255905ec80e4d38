/* task/block.c: where tasks live: each thread has a home of type-stable blocks; any thread gives a block back.
 *
 * Homes never end: when its thread does, a home waits for the next thread that needs one. So a block once a task's is a
 * task's until the process ends, and whoever holds a stale copy of a value-task can read its claim word safely.
 * Ids come to a home by the thousand, so that a task's costs no shared word.
 */
#include <stddef.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "ds/freelist.h"
#include "os/thread.h"
#include "task/claim.h"
#include "task/task.h"

enum { IDS_AT_ONCE = 1024 };

struct home {
    struct freelist blocks;
    uint64_t next_id, end_id;
    struct home *next; /* in the list of orphans */
};

static struct {
    os_mutex lock;
    struct home *first;
} orphans = {OS_MUTEX_INIT, NULL};

static atomic_u64 a_next_id = 1;
static _Thread_local struct home *mine;
static os_key at_exit_key;
static bool has_key;

static void abandon(void *home) {
    struct home *h = home;
    mine = NULL;
    vti_mutex_lock(&orphans.lock);
    h->next = orphans.first;
    orphans.first = h;
    vti_mutex_unlock(&orphans.lock);
}

/* The thread that held it is not in the child of a fork. */
static void in_fork_child(void) { vti_mutex_init(&orphans.lock); }

__attribute__((constructor)) static void make_key(void) {
    has_key = vti_key_create(&at_exit_key, abandon) == 0;
    vti_at_fork_child(in_fork_child);
}

static struct home *adopt(void) {
    vti_mutex_lock(&orphans.lock);
    struct home *h = orphans.first;
    if (h != NULL) {
        orphans.first = h->next;
    }
    vti_mutex_unlock(&orphans.lock);
    return h;
}

static struct home *home(void) {
    if (LIKELY(mine != NULL)) {
        return mine;
    }
    struct home *h = adopt();
    if (h == NULL) {
        h = vti_alloc(sizeof *h);
        if (h == NULL) {
            return NULL;
        }
        vti_freelist_init(&h->blocks, sizeof(task));
    }
    if (has_key) {
        (void)vti_key_set(at_exit_key, h); /* where that fails the home ends with its thread: memory, not meaning */
    }
    return mine = h;
}

static uint64_t take_id(struct home *h) {
    if (h->next_id == h->end_id) {
        h->next_id = add_rlx(&a_next_id, (uint64_t)IDS_AT_ONCE); /* only the numbers matter */
        h->end_id = h->next_id + IDS_AT_ONCE;
    }
    return h->next_id++;
}

#ifdef VTASK_DEBUG
static int64_t a_in_use;
static void count(int64_t change) { (void)add_rlx(&a_in_use, change); }
int64_t vti_blocks_in_use(void) { return load_rlx(&a_in_use); }
#else
static void count(int64_t change) { (void)change; }
int64_t vti_blocks_in_use(void) { return 0; }
#endif

/* What a stale value-task looks at stays readable: the claim word, and the list before it. So does the free list's link. */
_Static_assert(offsetof(task, a_claims) == offsetof(task, waiters) + sizeof(waitlist), "one readable stretch");
static void poison_block(task *t, void (*act)(const volatile void *, size_t)) {
    char *kept = (char *)&t->waiters, *after = (char *)&t->a_claims + sizeof t->a_claims;
    act((char *)t + sizeof(inbox_entry), (size_t)(kept - (char *)t) - sizeof(inbox_entry));
    act(after, (size_t)((char *)(t + 1) - after));
}

task *vti_block_take(uint64_t *id) {
    struct home *h = home();
    task *t = h != NULL ? vti_freelist_take_owner(&h->blocks) : NULL;
    if (t != NULL) {
        poison_block(t, unpoison);
        *id = take_id(h);
        count(1);
    }
    return t;
}

void vti_block_give(task *t) {
    uint64_t word = load_rlx(&t->a_claims); /* nobody holds a ticket: it stands still */
    store_rel(&t->a_claims, (claim_generation(word) + 1) * CLAIM_GENERATION_ONE);
    poison_block(t, poison);
    count(-1);
    vti_freelist_give_any(mine != NULL ? &mine->blocks : NULL, t);
}
