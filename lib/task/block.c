/* task/block.c: where tasks live: each thread has a home of type-stable blocks; any thread gives a block back.
 *
 * Homes never end: when its thread does, a home waits for the next thread that needs one. So a block once a task's is a
 * task's until the process ends, and whoever holds a stale copy of a value-task can read its claim word safely.
 * Ids come to a home by the thousand, so that a task's costs no shared word.
 */
#include "task/block.h"

#include "base/alloc.h"
#include "os/thread.h"

enum { IDS_AT_ONCE = 1024 };

static struct {
    os_mutex lock;
    struct home *first;
} orphans = {OS_MUTEX_INIT, NULL};

static atomic_u64 a_next_id = 1;
_Thread_local struct home *vti_home;
static os_key at_exit_key;
static bool has_key;

static void abandon(void *home) {
    struct home *h = home;
    vti_home = NULL;
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
    if (vti_home != NULL) {
        return vti_home;
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
    return vti_home = h;
}

COLD struct home *vti_home_with_id(void) {
    struct home *h = home();
    if (h != NULL && h->next_id == h->end_id) {
        h->next_id = add_rlx(&a_next_id, (uint64_t)IDS_AT_ONCE); /* only the numbers matter */
        h->end_id = h->next_id + IDS_AT_ONCE;
    }
    return h;
}

#ifdef VTASK_DEBUG
static int64_t a_in_use;
void vti_blocks_count(int64_t change) { (void)add_rlx(&a_in_use, change); }
int64_t vti_blocks_in_use(void) { return load_rlx(&a_in_use); }
#else
int64_t vti_blocks_in_use(void) { return 0; }
#endif
